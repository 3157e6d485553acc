"""Which release this is; also the version of the scopes under which it tells of itself."""

from typing import Final

VERSION: Final = "0.1.0"
