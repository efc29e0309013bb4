// Numbers of the map: three significant digits each, as zscan/results/explore/encode.py packs them.
const page = JSON.parse(document.getElementById("data").textContent);

// The digits and the decimal exponent of a code: [sign, ddd, exponent of the first digit]
function digitsOf(code) {
  const place = Math.abs(code) - 1;
  return [Math.sign(code), LEAST + (place % page.steps), Math.floor(place / page.steps) + page.lowest];
}

const POWERS = Array.from({ length: 640 }, (_, n) => Number(`1e${n + page.lowest - page.digits + 1}`));

const LEAST = 10 ** (page.digits - 1);

function numberOf(code) {
  if (code === 0) return 0;
  const place = Math.abs(code) - 1;
  const decade = Math.floor(place / page.steps);
  const size = (LEAST + place - decade * page.steps) * POWERS[decade];
  return code < 0 ? -size : size;
}

// A mantissa of digits and an exponent as Python's format(value, "g") writes them
function written(sign, digits, exponent) {
  const minus = sign < 0 ? "-" : "";
  const bare = digits.replace(/0+$/, "") || "0";
  if (exponent < -4 || exponent >= digits.length) {
    const tail = bare.length > 1 ? `.${bare.slice(1)}` : "";
    return `${minus}${bare[0]}${tail}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${minus}0.${"0".repeat(-exponent - 1)}${bare}`;
  const whole = digits.slice(0, exponent + 1);
  const rest = digits.slice(exponent + 1).replace(/0+$/, "");
  return `${minus}${whole}${rest ? `.${rest}` : ""}`;
}

function textOf(code) {
  if (code === 0) return "0";
  const [sign, digits, exponent] = digitsOf(code);
  return written(sign, String(digits), exponent);
}

function general(value, digits) {
  if (value === 0 || !Number.isFinite(value)) return value === 0 ? "0" : "-";
  const [mantissa, exponent] = Math.abs(value).toExponential(digits - 1).split("e");
  return written(Math.sign(value), mantissa.replace(".", ""), Number(exponent));
}

async function inflated(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let k = 0; k < bytes.length; k += 1) bytes[k] = letters.charCodeAt(k);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Codes from second differences: see `pack`
function unpacked(bytes, width) {
  const count = bytes.length / 3;
  const found = new Int32Array(count);
  let first = 0;
  let slope = 0;
  for (let start = 0; start < count; start += width) {
    let step = 0;
    for (let k = start; k < start + width; k += 1) {
      const unsigned = bytes[k] | (bytes[k + count] << 8) | (bytes[k + 2 * count] << 16);
      const change = unsigned & 1 ? -((unsigned + 1) >> 1) : unsigned >> 1;
      if (k === start) {
        first += change;
        found[k] = first;
      } else if (k === start + 1) {
        slope += change;
        step = slope;
        found[k] = first + step;
      } else {
        step += change;
        found[k] = found[k - 1] + step;
      }
    }
  }
  return found;
}

async function unpackConstraint(item, width) {
  const state = inflated(item.state);
  const field = async (text) => (text ? unpacked(await inflated(text), width) : null);
  const [chi2, observable, reference] = await Promise.all(
    [item.chi2, item.observable, item.reference].map(field));
  const stored = item.stored ? await inflated(item.stored) : null;
  const states = await state;
  const gaps = states.some((one) => (one & 3) % 3 === 0); // points not computed, or not finite
  return { ...item, state: states, gaps, chi2, observable, reference, stored };
}
