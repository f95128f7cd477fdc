"""The texts a person reads, under Kratos' message ids and in words of our own."""

from typing import Any, Final

__all__ = ["Message", "message"]

Message = dict[str, Any]

_SUCCESS: Final = frozenset({1050001, 1060001, 1080002})
_FIRST_ERROR: Final = 4_000_000

_TEXTS: Final[dict[int, str]] = {
    1010001: "Sign in",
    1010002: "Sign in with {provider}",
    1010003: "Please confirm that it is you before you go on.",
    1010004: "Please complete your second factor.",
    1010006: "Code from your authenticator app",
    1010007: "Backup code",
    1010009: "Use the authenticator app",
    1010010: "Use a backup code",
    1010022: "Sign in with your password",
    1040001: "Sign up",
    1040002: "Sign up with {provider}",
    1040008: "Back",
    1040009: "Please choose how you want to sign in later.",
    1050001: "Your changes are saved.",
    1050002: "Connect {provider}",
    1050003: "Disconnect {provider}",
    1050004: "Remove the authenticator app",
    1050005: "QR code for your authenticator app",
    1050006: "{secret}",
    1050007: "Show my backup codes",
    1050008: "Make new backup codes",
    1050009: "{secret}",
    1050010: "Your backup codes. Keep them where only you can read them.",
    1050011: "I have kept my backup codes",
    1050012: "Add a security key",
    1050013: "Name of the security key",
    1050014: "This backup code was used.",
    1050015: "{codes}",
    1050016: "Remove this method",
    1050017: "The key for your authenticator app, if you can't scan the QR code.",
    1060001: "You have your account back. Please choose a new password now.",
    1060003: "If this address belongs to an account, a recovery code is on its way to it.",
    1070001: "Password",
    1070002: "{title}",
    1070003: "Save",
    1070005: "Submit",
    1070006: "Code from the app",
    1070007: "E-mail address",
    1070008: "Send the code again",
    1070009: "Continue",
    1070010: "Recovery code",
    1070011: "Verification code",
    1080002: "Your e-mail address is verified.",
    1080003: "If this address belongs to an account, a verification code is on its way to it.",
    4000001: "{reason}",
    4000002: "Please fill in {property}.",
    4000004: "This value does not have the expected form: {reason}",
    4000006: "These credentials don't match any account. Check for typing mistakes.",
    4000007: "There is an account with this identifier already.",
    4000008: "This code is not valid. Please try the next one.",
    4000011: "You have no authenticator app set up.",
    4000012: "This backup code was used before.",
    4000014: "You have no backup codes.",
    4000016: "This backup code is not valid.",
    4000027: "There is an account with this identifier already. Sign in to it, then connect the provider.",
    4000031: "The password is too similar to the identifier.",
    4000032: "The password needs at least {min_length} characters; this one has {actual_length}.",
    4000039: "The new password is the old one. Please choose another.",
    4010001: "The sign-in took too long. Please start again.",
    4010002: "Nothing here can sign you in with what was sent. Was the form filled in?",
    4010003: "Nothing here can sign you up with what was sent. Was the form filled in?",
    4010004: "Nothing here can save what was sent. Was the form filled in?",
    4010005: "Nothing here can recover an account with what was sent. Was the form filled in?",
    4010006: "Nothing here can verify an address with what was sent. Was the form filled in?",
    4010011: "This account is disabled.",
    4040001: "The sign-up took too long. Please start again.",
    4050001: "The settings were open for too long. Please start again.",
    4060005: "The recovery took too long. Please start again.",
    4060006: "This recovery code is not valid or was used before.",
    4070005: "The verification took too long. Please start again.",
    4070006: "This verification code is not valid or was used before.",
}


def message(number: int, context: dict[str, Any] | None = None, **words: Any) -> Message:
    """
    Build a message for a flow's `ui`.

    Args:
        number: Kratos' message id.
        context: What goes out as the message's `context`; its entries fill the text as well.
        words: Further entries for the text alone.
    """
    kind = "error" if number >= _FIRST_ERROR else "success" if number in _SUCCESS else "info"
    text = _TEXTS[number].format(**(context or {}), **words)
    answer: Message = {"id": number, "text": text, "type": kind}
    if context:
        answer["context"] = context
    return answer
