"""A process that sends one round of webhooks and is killed (SIGKILL) once the first is sent, before that is recorded."""

from __future__ import annotations

import os
import signal
import sys

from core.clock import SystemClock
from core.database import Database
from core.settings_webhooks import WebhookSettings
from notify.webhook_sending import WebhookSender
from notify.webhooks import Webhooks
from tests.servers_webhooks import SECRET


def main(database: str, url: str) -> None:
    opened, clock = Database(database), SystemClock()
    webhooks = Webhooks(opened, clock, [WebhookSettings(url=url, secret=SECRET)])
    WebhookSender(opened, clock, webhooks, after_sending=lambda: os.kill(os.getpid(), signal.SIGKILL)).send_due()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
