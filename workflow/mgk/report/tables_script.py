"""Tables that a reader sorts and pages through: the script of a page, and the policy by which a browser runs no other.

Without scripts the tables stand as they were written, all rows of them. The CSV under a table is not touched.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

SCRIPT = (Path(__file__).parent / "template" / "tables.js").read_text(encoding="utf-8")
_HASH = b64encode(sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of every page: nothing is fetched, and a script of another text does not run."""
