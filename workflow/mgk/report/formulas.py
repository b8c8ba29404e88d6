r"""LaTeX formulas to MathML, which browsers show by themselves: no script, no font, nothing remote.

Limits: the commands that latex2mathml knows. It passes what it does not know into the page as letters; here that is
an error, so that a formula is either right or refused. Several lines: the environment `align*`, not `aligned`.
"""

import html
from xml.etree import ElementTree


class FormulaError(ValueError):
    """A formula cannot be shown; the message quotes it and says why."""


def mathml(latex: str, *, block: bool) -> str:
    """Return a formula as one MathML element, with its LaTeX as the text alternative.

    Parameters
    ----------
    latex : str
        The formula without its dollar signs.
    block : bool
        True for a formula on its own line.

    Raises
    ------
    FormulaError
        When the formula is incomplete or uses a command without a MathML counterpart.
    """
    from latex2mathml.converter import Converter  # 0.1 s that only pages need

    source = " ".join(latex.split())
    try:
        tree = Converter(display="block" if block else "inline").convert_to_element(source)
    except Exception as error:  # latex2mathml's errors share no base class
        raise FormulaError(f"formula {source!r} cannot be read ({type(error).__name__})") from error
    for element in tree.iter():
        if element.text:
            # The converter writes characters as entities into the tree; as text they are escaped once, on writing.
            element.text = html.unescape(element.text)
            if "\\" in element.text or "&" in element.text:
                raise FormulaError(f"formula {source!r}: {element.text!r} has no counterpart in MathML")
    tree.set("alttext", source)
    return ElementTree.tostring(tree, encoding="unicode")
