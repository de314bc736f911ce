"""Kept's own database as the store `kept`: its map, and an engine of its own that no person's request reaches."""

from pathlib import Path
from typing import Final

from core.clock import Clock
from core.database import Database
from core.leases import Leases
from core.map_file import ShippedMap, load_map
from ledger.log import Ledger
from plans.engine import Plans
from plans.holds import Holds
from policies.own import OWN
from stores.contract import Store
from stores.datamap import DataMap

STORE: Final = "kept"
_MAP: Final = Path(__file__).parent.parent / "policies" / "examples" / "kept.yaml"


def own_map() -> ShippedMap:
    """The map of Kept's own database, as this release has it."""
    return load_map(_MAP, store=STORE, prefix=OWN)


def own_plans(database: Database, clock: Clock, ledger: Ledger, leases: Leases, store: Store, holds: Holds) -> Plans:
    """The engine over Kept's own map. `holds`: those of the installation, which bind here too."""
    own = Plans(database, clock, ledger, leases, DataMap(own_map().collections, {STORE: store}))
    own.holds = holds
    return own
