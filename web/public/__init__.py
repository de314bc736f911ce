"""The public pages: the policy, its versions, what changed, who gets data, what keeps it safe. None sets a cookie."""

from web.public import differences, lists, policy, requests
from web.public_blueprint import blueprint

__all__ = ["blueprint", "differences", "lists", "policy", "requests"]
