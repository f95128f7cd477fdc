"""UI texts: Kratos' message ids with the fake's own wording."""

from typing import Any, Final

__all__ = ["Message", "message"]

Message = dict[str, Any]

_SUCCESS: Final = frozenset({1050001, 1060001, 1080002})
_FIRST_ERROR: Final = 4_000_000

_TEXTS: Final[dict[int, str]] = {
    1010001: "Sign in",
    1010002: "Sign in with {provider}",
    1010003: "Please confirm your identity to continue.",
    1010004: "Please complete your second factor.",
    1010006: "Code from your authenticator app",
    1010007: "Backup code",
    1010009: "Use the authenticator app",
    1010010: "Use a backup code",
    1010014: "A code is on its way to your address.",
    1010015: "Send a code",
    1010016: "{duplicate_identifier} already has an account. Sign in to it to add {provider}.",
    1010017: "Sign in and connect the provider",
    1010018: "Sign in with {provider} and connect the other provider",
    1010022: "Sign in with your password",
    1010023: "Send a code to {address}",
    1040001: "Sign up",
    1040002: "Sign up with {provider}",
    1040003: "Continue",
    1040005: "A code is on its way to your address.",
    1040006: "Send a code",
    1040008: "Back",
    1040009: "Please choose a sign-in method.",
    1050001: "Your changes have been saved.",
    1050002: "Connect {provider}",
    1050003: "Disconnect {provider}",
    1050004: "Remove the authenticator app",
    1050005: "QR code for your authenticator app",
    1050006: "{secret}",
    1050007: "Show my backup codes",
    1050008: "Generate new backup codes",
    1050009: "{secret}",
    1050010: "Your backup codes. Store them in a safe place.",
    1050011: "I saved my backup codes",
    1050012: "Add a security key",
    1050013: "Name of the security key",
    1050014: "This backup code has been used.",
    1050015: "{codes}",
    1050016: "Remove this method",
    1050017: "The key for your authenticator app, if you can't scan the QR code.",
    1060001: "Your account has been recovered. Please choose a new password.",
    1060002: "If an account with this address exists, a recovery link is on its way.",
    1060003: "If an account with this address exists, a recovery code is on its way.",
    1070001: "Password",
    1070002: "{title}",
    1070003: "Save",
    1070004: "Identifier",
    1070005: "Submit",
    1070006: "Code from the app",
    1070007: "Email address",
    1070008: "Resend code",
    1070009: "Continue",
    1070010: "Recovery code",
    1070011: "Verification code",
    1070012: "Registration code",
    1070013: "Sign-in code",
    1080001: "If an account with this address exists, a verification link is on its way.",
    1080002: "Your email address has been verified.",
    1080003: "If an account with this address exists, a verification code is on its way.",
    4000001: "{reason}",
    4000002: "Please fill in {property}.",
    4000003: "This value must have at least {min_length} characters; it has {actual_length}.",
    4000004: "This value does not match the pattern {pattern}.",
    4000006: "Incorrect identifier or password. Please try again.",
    4000007: "An account with this identifier already exists.",
    4000008: "This code is invalid. Please try the next one.",
    4000009: "No login identifier was found.",
    4000011: "You have no authenticator app set up.",
    4000012: "This backup code has already been used.",
    4000014: "You have no backup codes.",
    4000016: "This backup code is invalid.",
    4000017: "This value must have at most {max_length} characters; it has {actual_length}.",
    4000018: "This value must be at least {minimum}; it is {actual}.",
    4000019: "This value must be more than {minimum}; it is {actual}.",
    4000020: "This value must be at most {maximum}; it is {actual}.",
    4000021: "This value must be less than {maximum}; it is {actual}.",
    4000022: "This value must be a multiple of {base}; it is {actual}.",
    4000023: "This list must have at most {max_items} items; it has {actual_items}.",
    4000024: "This list must have at least {min_items} items; it has {actual_items}.",
    4000025: "The items {index_a} and {index_b} of this list are equal.",
    4000026: "This value has the type {actual_type}; allowed types: {allowed_types}.",
    4000027: "An account with this identifier already exists. Sign in to it, then connect the provider.",
    4000029: "This value must be {expected}.",
    4000031: "The password is too similar to the identifier.",
    4000032: "The password must have at least {min_length} characters; this one has {actual_length}.",
    4000033: "The password must have at most {max_length} bytes; this one has {actual_length}.",
    4000035: "There is no account that can sign in with a code to this address.",
    4000036: "The form does not match the one that the code was sent for.",
    4000037: "There is no account with this identifier, or it has no way to sign in.",
    4000039: "The new password must differ from the current one.",
    4000040: "This email address is not valid: {value}",
    4010001: "The sign-in expired. Please start again.",
    4010002: "No sign-in method matches the submitted form. Please complete the form.",
    4010003: "No sign-up method matches the submitted form. Please complete the form.",
    4010004: "No settings method matches the submitted form. Please complete the form.",
    4010005: "No recovery method matches the submitted form. Please complete the form.",
    4010006: "No verification method matches the submitted form. Please complete the form.",
    4010007: "This sign-in has already been completed.",
    4010008: "This code is invalid or has already been used.",
    4010009: "The account that signed in is not the one with the identifier.",
    4010011: "This account is disabled.",
    4040001: "The sign-up expired. Please start again.",
    4040003: "This code is invalid or has already been used.",
    4050001: "The settings form expired. Please start again.",
    4060001: "The account was already recovered. Please start again.",
    4060004: "This link is invalid or has already been used.",
    4060005: "The recovery expired. Please start again.",
    4060006: "This recovery code is invalid or has already been used.",
    4070001: "This link is invalid or has already been used.",
    4070002: "The address was already verified.",
    4070005: "The verification expired. Please start again.",
    4070006: "This verification code is invalid or has already been used.",
}


def message(message_id: int, context: dict[str, Any] | None = None, **words: Any) -> Message:
    """Build a message for a flow's `ui`.

    Args:
        message_id: Kratos' message id.
        context: The message's `context`. It is also used to format the text.
        words: Further values that are only used to format the text.
    """
    kind = "error" if message_id >= _FIRST_ERROR else "success" if message_id in _SUCCESS else "info"
    text = _TEXTS[message_id].format(**(context or {}), **words)
    ui_message: Message = {"id": message_id, "text": text, "type": kind}
    if context:
        ui_message["context"] = context
    return ui_message
