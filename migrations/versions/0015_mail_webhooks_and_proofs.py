"""Mail that comes in, the queue of mail that goes out, webhooks, checkpoints kept elsewhere, attestations, cookies."""

from alembic import op  # noqa: F401  - used as soon as the first table stands

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _fetching()
    _letters()
    _outgoing()
    _wording()
    _webhooks()
    _ledger()
    _board()
    _cookies()
    _reports()


def downgrade() -> None:
    _no_reports()
    _no_cookies()
    _no_board()
    _no_ledger()
    _no_webhooks()
    _no_wording()
    _no_outgoing()
    _no_letters()
    _no_fetching()


def _fetching() -> None:
    """Messages that were taken, their originals, and how far each mailbox was read."""


def _no_fetching() -> None:
    pass


def _letters() -> None:
    """What was made of each message: threads, proposals, what operators decided, acknowledgements."""


def _no_letters() -> None:
    pass


def _outgoing() -> None:
    """The states, tries and texts of mails that go out."""


def _no_outgoing() -> None:
    pass


def _wording() -> None:
    """What an operator changed in the words of a mail."""


def _no_wording() -> None:
    pass


def _webhooks() -> None:
    """Deliveries of webhooks and their tries."""


def _no_webhooks() -> None:
    pass


def _ledger() -> None:
    """Where checkpoints are kept, keys that were changed, restarts that somebody accounted for."""


def _no_ledger() -> None:
    pass


def _board() -> None:
    """Attestations with their evidence, and what the board said on each day."""


def _no_board() -> None:
    pass


def _cookies() -> None:
    """What a visit of a page found."""


def _no_cookies() -> None:
    pass


def _reports() -> None:
    """Reports that were asked for and made."""


def _no_reports() -> None:
    pass
