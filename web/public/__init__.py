"""The public pages: the policy, its versions, what changed, who gets data, what keeps it safe. None sets a cookie."""

from web.public import badge, differences, lists, policy, requests
from web.public_blueprint import blueprint

__all__ = ["badge", "blueprint", "differences", "lists", "policy", "requests"]
