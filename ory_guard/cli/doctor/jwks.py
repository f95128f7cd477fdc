"""The check `jwks`: can the application's keys verify tokens from Kratos?"""

from pathlib import Path
from typing import Any

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, ok, problem, skipped
from ory_guard.cli.doctor.probe import json_object, lacks_second_factor
from ory_guard.cli.doctor.session import find_session
from ory_guard.kratos.json_document import JSONDocument
from ory_guard.models.credential import Header

__all__ = ["check_jwks"]


async def check_jwks(context: DoctorContext) -> list[Finding]:
    """Read the keys, and verify a token with them if there is a session and a template."""
    if context.jwks is None:
        return [skipped("no JWKS was given", "give --jwks, if your application accepts JWTs")]
    try:
        from ory_guard.tokens.algorithms import ALGORITHMS
        from ory_guard.tokens.jwks import read_jwks
    except ModuleNotFoundError as error:
        return [problem(f"a JWKS was given, but {error.name} is not installed", "pip install 'ory-guard[tokens]'")]
    try:
        keys = read_jwks(await _read(context), ALGORITHMS)
    except ValueError as error:
        return [problem(f"{context.jwks} can't be used: {error}", "give the public keys as a JWKS (RFC 7517)")]
    except Exception as error:  # noqa: BLE001 - a file or a server may fail in any way
        reason = type(error).__name__
        return [problem(f"{context.jwks} can't be read ({reason})", "check the file name or URL")]
    if not keys:
        return [
            problem(
                f"{context.jwks} contains no key that can verify a token",
                "give EC keys, or RSA keys of at least 2048 bits, each with a kid and for signatures",
            )
        ]
    usable = ok(f"{context.jwks} contains {len(keys)} usable key{'' if len(keys) == 1 else 's'}")
    credential = None if context.template is None else await find_session(context)
    if context.template is None or credential is None:
        return [usable, skipped("no token was verified", "give --tokenize-as with a template, and a session")]
    return [usable, await _check_token(context, context.template, credential, keys)]


async def _read(context: DoctorContext) -> bytes:
    if isinstance(context.jwks, Path):
        return context.jwks.read_bytes()
    return await JSONDocument(str(context.jwks), timeout=context.settings.timeout).fetch()


async def _check_token(context: DoctorContext, template: str, credential: Header, keys: Any) -> Finding:
    from ory_guard.tokens.algorithms import ALGORITHMS
    from ory_guard.tokens.compact_serialization import CompactParser
    from ory_guard.tokens.verifier import is_signed_by

    response = await context.kratos.get("/sessions/whoami", credential, tokenize_as=template)
    if lacks_second_factor(response):
        return skipped(
            "no token was verified: Kratos requires a second factor for this session",
            "give a session that has completed its second factor",
        )
    token = json_object(response).get("tokenized")
    if not isinstance(token, str):
        return problem(
            f"Kratos does not create a token with the template {template} (status {response.status})",
            "check session.whoami.tokenizer.templates in Kratos' configuration, and that the session is active",
        )
    signed = CompactParser(ALGORITHMS).parse(token)
    if signed is None:
        return problem(f"the token of the template {template} is malformed", "check the template's configuration")
    algorithm, kid = signed.header
    candidates = [key for key in keys.get(kid, ()) if algorithm in key]
    if is_signed_by(signed, candidates):
        return ok(f"a token of the template {template} was verified with the key {kid}")
    reason = "its signature does not match that key" if candidates else "the JWKS does not contain that key"
    return problem(
        f"a token of the template {template} is signed with {algorithm} by the key {kid}: {reason}",
        "give the public part of the template's jwks_url, and the previous key as well during a rotation",
    )
