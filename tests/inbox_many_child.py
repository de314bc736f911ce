"""One poll that prints how many mails it took and the most memory it held: `python -m tests.inbox_many_child CONTROL_URL IMAP_URL PASSWORD`."""

import sys

from core.database import Database
from tests.inbox_rooms import make_room, settings_of
from tests.memory_child import most_mebibytes


def main(url: str, imap: str, password: str) -> None:
    room = make_room(Database(url))
    (done,) = room.boxes(settings_of(imap, password=password)).poll()
    assert not done.trouble, done.trouble
    print(done.taken, most_mebibytes(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
