"""Can tokens be verified with the keys that the application was given?"""

from pathlib import Path
from typing import Any

from ory_guard.cli.credential_input import Header
from ory_guard.cli.doctor.context import DoctorContext, Finding, json_object, ok, problem, skipped
from ory_guard.cli.doctor.session import find_session
from ory_guard.kratos.fetch import Document

__all__ = ["check_jwks"]


async def check_jwks(context: DoctorContext) -> list[Finding]:
    """Read the keys, and try them on a token where there is a session to make one of."""
    if context.jwks is None:
        return [skipped("no keys were named", "give --jwks, if your application takes JWTs")]
    try:
        from ory_guard.tokens.jwks import read_jwks  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as error:
        return [problem(f"keys were named, but {error.name} is not installed", "pip install 'ory-guard[tokens]'")]
    try:
        ring = read_jwks(await _read(context))
    except ValueError as error:
        return [problem(f"{context.jwks} can't be used: {error}", "give the public keys as a JWKS (RFC 7517)")]
    except Exception as error:  # noqa: BLE001 - whatever a file or a server does
        return [
            problem(f"{context.jwks} can't be read ({type(error).__name__})", "see that the file or URL is right")
        ]
    if not ring:
        return [
            problem(
                f"{context.jwks} holds no key that can verify a token",
                "give EC or RSA keys (2048 bits at least) for signatures, each with a kid",
            )
        ]
    told = f"{context.jwks} holds {len(ring)} usable key{'' if len(ring) == 1 else 's'}"
    credential = None if context.template is None else await find_session(context)
    if context.template is None or credential is None:
        return [ok(told), skipped("no token was tried", "give --tokenize-as with the template, and a session")]
    return [ok(told), await _try_out(context, context.template, credential, ring)]


async def _read(context: DoctorContext) -> bytes:
    if isinstance(context.jwks, Path):
        return context.jwks.read_bytes()
    return await Document(str(context.jwks), timeout=context.settings.timeout).fetch()


async def _try_out(context: DoctorContext, template: str, credential: Header, ring: Any) -> Finding:
    from joserfc import jws  # noqa: PLC0415 - an extra of its own
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above

    from ory_guard.tokens.jwks import ALGORITHMS, key_matches  # noqa: PLC0415 - as above

    answer = await context.kratos.get("/sessions/whoami", credential, tokenize_as=template)
    token = json_object(answer).get("tokenized")
    if not isinstance(token, str):
        return problem(
            f"Kratos makes no token with the template {template} (status {answer.status})",
            "see session.whoami.tokenizer.templates in Kratos' configuration, and that the session is good",
        )
    try:
        signed = jws.extract_compact(token.encode())
        algorithm, kid = str(signed.headers().get("alg")), signed.headers().get("kid")
        keys = [key for key in ring.get(kid, ()) if algorithm in ALGORITHMS and key_matches(key, algorithm)]
        verified = any(jws.validate_compact(signed, key, [algorithm]) for key in keys)
    except (JoseError, ValueError, TypeError):
        return problem(f"the token of the template {template} can't be read", "see the template's configuration")
    if verified:
        return ok(f"a token of the template {template} is verified with the key {kid}")
    what = "the key of that kid did not sign it" if keys else "there is no such key"
    return problem(
        f"a token of the template {template} is signed with {algorithm} by the key {kid}: {what}",
        "give the public part of the template's jwks_url, and the old key as well while you rotate",
    )
