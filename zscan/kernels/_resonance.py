"""Integrals over q2 of smooth functions times a resonance propagator P(q2) = 1/(q2 - m_X^2 + i m_X
Gamma).

With |P|^2 = -Im P/(m_X Gamma) everything follows from M[f] = int f P dq2. On an interval of half
width h, mapped to x in [-1, 1], f = sum_n c_n P_n(x) and int f P dq2 = sum_n c_n M_n(z) with M_n =
int P_n(x)/(x - z) dx (twice the Legendre function of the second kind), z = x0 - i Y, x0 the
position of m_X^2 and Y = m_X Gamma/h. The imaginary part is carried divided by Y, M_n = R_n - i Y
S_n, so that S[f] = int f |P|^2 dq2 keeps its relative accuracy for any width: the narrow peak, the
principal value, the edges and the tails outside are all the same formula.

The three-term recurrence of M_n is stable near the interval and unstable far away, where
Gauss-Legendre quadrature converges instead; rho, with rho + 1/rho = |z+1| + |z-1|, measures the
distance. Expansions are made in NumPy, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.polynomial import legendre

from zscan.kernels._blocks import by_kind, in_blocks
from zscan.kernels._horner import horner

_MIN_DEGREE, _MAX_DEGREE = 24, 40
_TAIL = (
    1e-9  # largest accepted last coefficient of a smooth function, relative to its largest value
)
# At this rho rounding in the recurrence grows by 1.8**40 = 2e10 on coefficients below 1e-5 (those
# of degree 40), and quadrature with degree/2 + 12 nodes errs by 1.8**-24 = 7e-7 on the same
# coefficients: both below 1e-10.
_FAR = 1.8
_SMALL_ANGLE = (
    0.1  # below this tangent the angle subtended by the interval is taken from its series
)
# Points evaluated at a time on a CPU: they fit into its cache
_BLOCK = 512
_TOGETHER = 4096  # among which the near ones are brought together
NARROWEST = 1e-30  # Gamma/m_X to which a smaller width is raised when m_X^2 is inside the interval


class Expansion(NamedTuple):
    """Legendre coefficients on lower <= q2 <= upper: complex functions F, and real ones w."""

    lower: float
    upper: float
    linear: np.ndarray  # complex, (number of F, degree + 1): int Re(F P) dq2 is wanted
    quadratic: np.ndarray  # real, (number of w, degree + 1): int w |P|^2 dq2 is wanted


class _Panel(NamedTuple):
    """One interval: matrices that combine R, S, R', S', T (in this order) of orders 0 to degree
    (near), or at the nodes of a quadrature (far).
    """

    lower: float | Array
    upper: float | Array
    near: tuple[np.ndarray, ...]
    far: tuple[np.ndarray, ...]


class _Layout(NamedTuple):
    """What the panels share: nodes, number of the linear integrals, which of them have an F that is
    not real, whether derivatives are asked for.
    """

    nodes: np.ndarray
    linear: int
    phases: np.ndarray
    derivatives: bool


Functions = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def quadrature(lower: float, upper: float, breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of 48-point Gauss-Legendre rules between `lower`, the `breaks` inside, and
    `upper`.
    """
    edges = np.concatenate([[lower], breaks[(breaks > lower) & (breaks < upper)], [upper]])
    x, weight = legendre.leggauss(48)
    half, centre = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return (centre + half * x).ravel(), (half * weight).ravel()


def expand(
    functions: Functions,
    lower: float,
    upper: float,
    *,
    breaks: np.ndarray,
    split: Callable[[float, float], float],
) -> tuple[Expansion, ...]:
    """Expand functions(q2) = (F, w) on [lower, upper], cut at split(lower, upper) where the degree
    does not suffice.

    The real functions w decide: the coefficient after the last must be below 1e-9 of the largest w.
    The functions F may have kinks (at the knots of a table, given as `breaks`), whose slowly
    falling coefficients are cut off: F enters interferences only, and is thereby smoothed over
    1/degree of the interval."""
    scale = np.abs(functions(quadrature(lower, upper, breaks)[0])[1]).max(axis=1)

    def panels(a: float, b: float) -> tuple[Expansion, ...]:
        q2, weight = quadrature(a, b, breaks)
        orders = np.arange(_MAX_DEGREE + 3)
        basis = legendre.legvander((2 * q2 - (a + b)) / (b - a), orders[-1]) * weight[:, None]
        linear, quadratic = (f @ basis * ((2 * orders + 1) / (b - a)) for f in functions(q2))
        size = (np.abs(quadratic) / scale[:, None]).max(axis=0)
        for degree in range(_MIN_DEGREE, _MAX_DEGREE + 1, 4):
            if size[degree + 1 : degree + 3].max() < _TAIL:
                return (Expansion(a, b, linear[:, : degree + 1], quadratic[:, : degree + 1]),)
        middle = split(a, b)
        return panels(a, middle) + panels(middle, b)

    return panels(lower, upper)


def together(*several: tuple[Expansion, ...]) -> tuple[Expansion, ...] | None:
    """Expansions on the same intervals as one, whose functions follow each other; None where
    intervals differ. The integrals of all of them then cost little more than those of one.
    """
    joined = []
    for items in zip(*several, strict=False):
        size = max(item.linear.shape[1] for item in items)
        linear, quadratic = (
            np.concatenate([np.pad(f, ((0, 0), (0, size - f.shape[1]))) for f in functions])
            for functions in zip(*((item.linear, item.quadratic) for item in items), strict=True)
        )
        joined.append(Expansion(items[0].lower, items[0].upper, linear, quadratic))
    edges = [[item[:2] for item in expansions] for expansions in several]
    return tuple(joined) if all(found == edges[0] for found in edges) else None


def pole_integrals(
    expansions: tuple[Expansion, ...], m_X: Array, width: Array
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """All int Re(F P) dq2 and all int w |P|^2 dq2, each on the broadcast shape of m_X [GeV] and
    width [GeV].

    Inside an interval a width below 1e-30 m_X is raised to that; outside, zero width is exact. NaN
    for negative input."""

    def integrals_of(m_X: Array, width: Array, derivatives: bool, apart: bool) -> Array:
        layout, panels = _panels(expansions, derivatives)
        if len(panels) == 1:
            return _one_panel(panels[0], layout, m_X, width, apart)

        def add(rows: Array, panel: _Panel) -> tuple[Array, None]:
            return rows + _one_panel(panel, layout, m_X, width, apart), None

        # A loop compiles the panel once
        stacked = jax.tree.map(lambda *parts: np.stack(parts), *panels)
        count = len(expansions[0].linear) + len(expansions[0].quadratic)
        zero = jnp.zeros((3 * count if derivatives else count, m_X.size))
        return lax.scan(add, zero, stacked)[0]

    def total(m_X: Array, width: Array, derivatives: bool, apart: bool) -> Array:
        """The integrals; if asked for, their derivatives by m_X, then by width."""
        rows = integrals_of(m_X, width, derivatives, apart)
        # NaN here, in the blocks: behind them a width that is computed in place would be computed
        # once more for each row
        return jnp.where((m_X >= 0) & (width >= 0), rows, jnp.nan)

    def blocked(m_X: Array, width: Array, derivatives: bool) -> tuple[Array, ...]:
        def rows(apart: bool) -> Callable[[Array, Array], Array]:
            return lambda m_X, width: total(m_X[0], width[0], derivatives, apart)

        return tuple(in_blocks(rows(True), _TOGETHER, rows(False))(m_X[None], width[None]))

    # Differentiating the recurrence itself would keep every term of it in memory; that is left to
    # second derivatives. Row by row, because the transpose of taking one row of an array pads it
    # with zeros to all of them.
    @jax.custom_jvp
    def integrals(m_X: Array, width: Array) -> tuple[Array, ...]:
        return blocked(m_X, width, False)

    @jax.custom_jvp
    def with_derivatives(m_X: Array, width: Array) -> tuple[Array, ...]:
        return blocked(m_X, width, True)

    @integrals.defjvp
    def first(
        primals: tuple[Array, Array], tangents: tuple[Array, Array]
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        rows = with_derivatives(*primals)
        count = len(rows) // 3
        # No derivatives where there is no value
        valid = (primals[0] >= 0) & (primals[1] >= 0)
        by_m_X, by_width = (
            [jnp.where(valid, row, 0.0) for row in rows[k * count : (k + 1) * count]]
            for k in (1, 2)
        )
        steps = zip(by_m_X, by_width, strict=True)
        return rows[:count], tuple(a * tangents[0] + b * tangents[1] for a, b in steps)

    @with_derivatives.defjvp
    def second(
        primals: tuple[Array, Array], tangents: tuple[Array, Array]
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        return jax.jvp(lambda m_X, width: tuple(total(m_X, width, True, False)), primals, tangents)

    m_X, width = jnp.broadcast_arrays(m_X, width)
    rows = tuple(row.reshape(m_X.shape) for row in integrals(m_X.ravel(), width.ravel()))
    count = len(expansions[0].linear)
    return rows[:count], rows[count:]


def _panels(expansions: tuple[Expansion, ...], derivatives: bool) -> tuple[_Layout, list[_Panel]]:
    """Expansions as matrices of one shape, in NumPy.

    The integrals and, if asked for, their derivatives are combinations of R, S, R', S', T (in this
    order) with the coefficients of the expansion; what is real has no imaginary part to combine.
    """
    degree = max(expansion.linear.shape[1] for expansion in expansions) - 1
    nodes, weights = legendre.leggauss(degree // 2 + 12)
    phases = np.flatnonzero(np.any([item.linear.imag.any(axis=1) for item in expansions], axis=0))
    panels = []
    for item in expansions:
        missing = degree + 1 - item.linear.shape[1]
        linear, w = (np.pad(part, ((0, 0), (0, missing))) for part in (item.linear, item.quadratic))
        real, imag = linear.real, linear.imag[phases]
        rows: tuple[tuple[np.ndarray, ...], ...] = ((real,), (imag, w))
        if derivatives:
            rows += ((real, imag), (imag, w, real), (w,))
        near = tuple(np.concatenate(parts) for parts in rows)
        far = tuple(legendre.legval(nodes, part.T) * weights for part in near)
        panels.append(_Panel(item.lower, item.upper, near, far))
    return _Layout(nodes, len(expansions[0].linear), phases, derivatives), panels


def _one_panel(panel: _Panel, layout: _Layout, m_X: Array, width: Array, apart: bool) -> Array:
    """Rows: the linear and quadratic integrals; if asked for, the derivatives of all by m_X, then
    by width.
    """
    half = (panel.upper - panel.lower) / 2
    above = minus_square(panel.upper, m_X) / half  # 1 - x0
    below = -minus_square(panel.lower, m_X) / half  # 1 + x0
    narrow = (above >= 0) & (below >= 0) & (width < NARROWEST * m_X)
    width = jnp.where(narrow, NARROWEST * m_X, width)
    y = m_X * width / half
    found = _by_position(panel, layout, above, below, y, apart)
    if not layout.derivatives:
        return found
    values, by_x0, by_y = jnp.split(found, 3)
    by_m_X = (
        by_x0 * (2 * m_X / half)[None] + by_y * (jnp.where(narrow, 2.0, 1.0) * width / half)[None]
    )
    return jnp.concatenate([values, by_m_X, by_y * jnp.where(narrow, 0.0, m_X / half)[None]])


def minus_square(edge: float | Array, m_X: Array) -> Array:
    """edge - m_X^2, relatively accurate even where the two agree to ten digits (m_X split in two
    exact squares).
    """
    high = lax.stop_gradient(lax.reduce_precision(m_X, exponent_bits=11, mantissa_bits=25))
    low = m_X - high
    return ((edge - high**2) - 2 * high * low) - low**2


def _by_position(
    panel: _Panel, layout: _Layout, above: Array, below: Array, y: Array, apart: bool
) -> Array:
    """Rows of integrals (linear, then quadratic) and, if asked for, of their derivatives by x0 and
    by Y.

    With M' = dM/dz = R' - i Y S': dR/dx0 = R', dS/dx0 = S', dR/dY = -Y S', d(Y S)/dY = R', and
    dS/dY = Y T has its own recurrence, because (R' - S)/Y loses all digits of a narrow X outside
    the interval. `apart`: near points are brought together, see `by_kind`."""
    far = jnp.sqrt(above**2 + y**2) + jnp.sqrt(below**2 + y**2) > _FAR + 1 / _FAR
    degree = panel.near[0].shape[1] - 1

    def combined(matrices: tuple[np.ndarray, ...], parts: tuple[Array, ...], y: Array) -> Array:
        products = [jnp.asarray(rows) @ part for rows, part in zip(matrices, parts, strict=True)]
        return _contracted(products, panel, layout, y)

    def by_recurrence(points: Array) -> Array:
        above, below, y = points
        return combined(panel.near, _legendre_q(above, below, y, degree, layout.derivatives), y)

    def by_quadrature(points: Array) -> Array:
        above, below, y = points
        x0 = (below - above) / 2
        return combined(panel.far, _cauchy(layout.nodes, x0, y, layout.derivatives), y)

    points = jnp.stack([above, below, y])
    if apart:
        return by_kind(far, by_quadrature, by_recurrence, points, _BLOCK)
    # Each where there are such points; there, at points of the other kind, they see a harmless
    # pole, so that gradients stay finite.
    near = jnp.where(far, jnp.ones((3, 1)), points)
    away = jnp.where(far, points, jnp.asarray([[-2.0], [4.0], [1.0]]))

    def nothing(points: Array) -> Array:
        return jnp.zeros(jax.eval_shape(by_recurrence, points).shape)

    return jnp.where(
        far[None],
        lax.cond(far.any(), by_quadrature, nothing, away),
        lax.cond(far.all(), nothing, by_recurrence, near),
    )


def _contracted(products: list[Array], panel: _Panel, layout: _Layout, y: Array) -> Array:
    """Rows of integrals and of their derivatives from products of matrices and R, S, R', S', T."""
    half = (panel.upper - panel.lower) / 2
    linear, phases = layout.linear, len(layout.phases)
    y = y[None]

    def with_phases(rows: Array, more: Array) -> Array:
        """Add to the rows of functions with an imaginary part."""
        return rows.at[layout.phases].add(more) if phases else rows

    real, of_S = products[:2]
    rows = [with_phases(real, y * of_S[:phases]), of_S[phases:] / half]
    if layout.derivatives:
        by_real, by_S, of_T = products[2:]
        imag, w, more = jnp.split(by_S, [phases, len(of_S)])
        rows += [with_phases(by_real[:linear], y * imag), w / half]
        rows += [with_phases(-y * more, by_real[linear:]), y * of_T / half]
    return jnp.concatenate(rows)


def _cauchy(nodes: np.ndarray, x0: Array, y: Array, derivatives: bool) -> tuple[Array, ...]:
    """R, S and, if asked for, R', S', T of a unit weight at each node, shape (nodes, n)."""
    d = jnp.asarray(nodes)[:, None] - x0[None]
    y2 = (y**2)[None]
    square = 1 / (d**2 + y2)
    values = (d * square, square)
    return (
        (*values, (d**2 - y2) * square**2, 2 * d * square**2, -2 * square**2)
        if derivatives
        else values
    )


def _legendre_q(
    above: Array, below: Array, y: Array, degree: int, derivatives: bool
) -> tuple[Array, ...]:
    """R_n, S_n and, if asked for, R'_n, S'_n, T_n for n = 0 .. degree, shape (degree + 1, n)."""
    x0, y2 = (below - above) / 2, y**2
    upper, lower = above**2 + y2, below**2 + y2
    dr, ds = -above / upper - below / lower, 1 / lower - 1 / upper
    r = jnp.log(upper / lower) / 2
    s, t = _angle(y2 - above * below, y, dr)
    order_0: tuple[Array, ...] = (r, s)
    order_1: tuple[Array, ...] = (x0 * r - y2 * s + 2, x0 * s + r)
    if derivatives:
        order_0 += (dr, ds, t)
        order_1 += (r + x0 * dr - y2 * ds, s + x0 * ds + dr, x0 * t - ds)

    def step(
        orders: tuple[tuple[Array, ...], tuple[Array, ...]], factors: tuple[Array, Array]
    ) -> tuple[tuple[tuple[Array, ...], tuple[Array, ...]], tuple[Array, ...]]:
        previous, current = orders
        r, s = current[:2]
        following: tuple[Array, ...] = (x0 * r - y2 * s, x0 * s + r)
        if derivatives:
            dr, ds, t = current[2:]
            following += (r + x0 * dr - y2 * ds, s + x0 * ds + dr, x0 * t - ds)
        up, down = factors
        return (
            current,
            tuple(up * f - down * p for f, p in zip(following, previous, strict=True)),
        ), previous

    # A loop, not unrolled: as one long expression it is three times faster where XLA can merge it
    # into one loop over points, but there are contexts where the compiler then needs more memory
    # than the machine has. Two orders at a time spare the copy from current to previous.
    n = np.arange(1.0, degree + 2)
    factors = jnp.asarray((2 * n + 1) / (n + 1)), jnp.asarray(n / (n + 1))
    return lax.scan(step, (order_0, order_1), factors, unroll=2)[1]


def _angle(q: Array, y: Array, dr: Array) -> tuple[Array, Array]:
    """S_0 = atan2(2 y, q)/y, with q = x0^2 + y^2 - 1, and T_0 = (dS_0/dY)/Y; both finite at y = 0 <
    q.

    One angle, that which the interval subtends, not a difference of two.
    """
    small = (q > 0) & (2 * y < _SMALL_ANGLE * q)
    q_small, y_small = jnp.where(small, q, 1.0), jnp.where(small, y, 0.0)
    u = (2 * y_small / q_small) ** 2
    atan, slope = (horner(row, u) for row in (_ATAN_SERIES, np.polyder(_ATAN_SERIES)))
    s_small = 2 * atan / q_small
    t_small = -4 * atan / q_small**2 + 16 * slope / q_small**3 * (1 - 2 * y_small**2 / q_small)
    y_large = jnp.where(small, 1.0, y)
    s_large = jnp.arctan2(2 * y_large, jnp.where(small, 0.0, q)) / y_large
    t_large = (dr - s_large) / y_large**2
    return jnp.where(small, s_small, s_large), jnp.where(small, t_small, t_large)


_ATAN_SERIES = np.array(
    [(-1.0) ** n / (2 * n + 1) for n in range(8)][::-1]
)  # atan(t)/t in u = t^2, t < 0.1
