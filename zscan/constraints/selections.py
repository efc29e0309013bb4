"""Named selections of constraints, which stand wherever a constraint's name does."""

from __future__ import annotations

_PAPER_LIMITS = (
    "A1_Merkel2014avp",
    "BESIII_Ablikim2017aab",
    "BaBar_Lees2014xha",
    "BaBar_Lees2017lec",
    "BaBar_TheBABAR2016rlg",
    "BelleII_Adachi2019otg",
    "CHARM_Tsai2019mtm",
    "E137_Andreas2012mt",
    "E141_Riordan1987aw",
    "KLOE_Anastasi2015qla",
    "KLOE_Anastasi2018azp_combined",
    "KLOE_Babusci2012cr",
    "LEP_Fox2011fx",
    "LHCb_Aaij2017rft_prompt",
    "LHCb_Aaij2019bvg_prompt",
    "NA48_Batley2015lha",
    "NA62_CortinaGil2019nuo",
    "NA64_Banerjee2019hmi",
    "NA64_NA642019imj",
    "NuCAL_Tsai2019mtm",
    "Orsay_Davier1989wz",
)

# What arXiv:2107.07518 rests on: neither CHARM-II, TEXONO and LSND, nor cosmology, nor the fit of
# neutrino oscillations in matter, in whose place it uses bounds on non-standard interactions
SELECTIONS = {
    "paper": (
        "delta_a_mu",
        "r_k",
        "b_to_k_nunu",
        "b_to_k_x_babar",
        "trident_ccfr",
        "trident_nutev",
        "borexino",
        "coherent",
        "nsi",
        "d_mixing",
        "d_to_pi",
        "kmunux",
        *(f"searches/{name}" for name in _PAPER_LIMITS),
    )
}
