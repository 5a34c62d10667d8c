"""Display names of the scores of `stemlive evaluate`."""

SCORES = {
    "usdr_db": "uSDR",
    "mixture_db": "  of the mixture",
    "oracle_db": "  of the ideal ratio mask",
    "csdr_db": "cSDR",
    "mixture_csdr_db": "  of the mixture",
    "oracle_csdr_db": "  of the ideal ratio mask",
    "leakage_db": "leakage where silent",
    "bleed_db": "vocal bleed",
}
"""Score in the report to its display name, in the order of the printed averages."""

LONG_PLAY = {"last_db": "  of the last one", "afresh_db": "  of the same, begun afresh"}
