"""Tables as LaTeX: booktabs, every text escaped, so that the file compiles as it is.

A page is input into a document that has `\\usepackage{booktabs}`; nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

PREAMBLE = "% needs \\usepackage{booktabs}"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\(<\)",
    ">": r"\(>\)",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
}
_UNICODE = {
    "±": r"\(\pm\)",
    "Δ": r"\(\Delta\)",
    "≥": r"\(\geq\)",
    "≤": r"\(\leq\)",
    "−": r"\(-\)",
    "×": r"\(\times\)",
    "·": r"\(\cdot\)",
    "÷": r"\(\div\)",
    "→": r"\(\to\)",
    "σ": r"\(\sigma\)",
    "τ": r"\(\tau\)",
    "▲": r"\(^{\triangle}\)",
    "▼": r"\(^{\bigtriangledown}\)",
    "–": "--",
    "’": "'",
    "…": r"\ldots{}",
    "°": r"\(^\circ\)",
    "\n": " ",
}
_SIGNS = {**_SPECIAL, **_UNICODE}


def escape(text: object) -> str:
    """Return text that LaTeX prints as it is. Signs outside Latin-1 that have no entry above
    become "?": pdfLaTeX would stop at them."""
    return "".join(_SIGNS.get(sign) or _kept(sign) for sign in str(text))


def _kept(sign: str) -> str:
    return sign if " " <= sign <= "~" or "\u00c0" <= sign <= "\u00ff" else "?"


def bold(text: str) -> str:
    return rf"\textbf{{{text}}}"


def underlined(text: str) -> str:
    """Return escaped text with a line below it, in or out of formulas."""
    return rf"\underline{{{text}}}"


def booktabs(
    headings: Sequence[str], rows: Sequence[Sequence[str]], align: str, caption: str = ""
) -> str:
    """Return a table. headings and caption are escaped here; rows hold LaTeX already; align: a
    letter per column, "l" or "r"."""
    lines = [r"\begin{table}", r"\centering"]
    if caption:
        lines.append(rf"\caption{{{escape(caption)}}}")
    lines += [rf"\begin{{tabular}}{{{align}}}", r"\toprule"]
    lines += [" & ".join(map(escape, headings)) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines)


def page(parts: Sequence[str]) -> str:
    """Return a file of tables and paragraphs."""
    return "\n\n".join([PREAMBLE, *parts]) + "\n"
