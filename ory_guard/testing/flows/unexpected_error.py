"""The response to a submission that fails without a message for the user."""

from typing import Final

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError

__all__ = ["unexpected_error"]

_FLOWS_WITH_500: Final = ("login", "registration")


def unexpected_error(request: FakeRequest, flow: FakeFlow, message: str) -> ApiError:
    """Return the error with the code 500.

    Kratos sends it with the status 400 to native clients, and in most flows to scripts, too.
    """
    is_400 = flow.native or (request.prefers_json and flow.name not in _FLOWS_WITH_500)
    return ApiError(400 if is_400 else 500, code=500, message=message)
