"""Record the exchanges of `tests/recordings` again, against a running Kratos, and print the differences.

    PYTHONPATH=tests python scripts/record.py FOLDER

The URLs of Kratos are in the environment, as docs/contributing.md describes. The folder gets the files of
`tests/recordings`, with the requests and responses of this Kratos, except for those of another configuration than
`server: default`. It takes some minutes, because each code of an authenticator app can be used once.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
from support.kratos_servers import KratosServer, live
from testing.normalize import is_advisory, is_unknown_difference
from testing.recorded_story import RECORDINGS, RecordedExchange, load
from testing.replay import Replay, rewrite_for
from testing.setup_steps import run_with_setup

# On a busy machine, a code of an authenticator app can be late.
LEEWAY = 120
_KEPT_HEADERS = ("accept", "content-type", "cookie", "authorization", "x-session-token")
_LONGEST_TEXT = 4_000


class Recorder(Replay):
    """A replay that stores each exchange.

    Attributes:
        exchanges: The exchange of each case.
    """

    def __init__(self, server: KratosServer, **options: Any) -> None:
        super().__init__(server, **options)
        self.exchanges: dict[str, dict[str, Any]] = {}

    def received(self, recorded: RecordedExchange, sent: RecordedExchange, response: httpx2.Response) -> None:
        """Store an exchange."""
        headers = {name: value for name, value in sent.request["headers"].items() if name in _KEPT_HEADERS}
        self.exchanges[recorded.case] = {
            "case": recorded.case,
            "operation": recorded.operation,
            "server": recorded.server,
            "request": {**sent.request, "headers": headers},
            "response": {
                "status": response.status_code,
                "headers": [list(pair) for pair in response.headers.multi_items()],
                "body": recorded_body(response),
            },
        }


def recorded_body(response: httpx2.Response) -> Any:
    """Return the body of a response as it is recorded: parsed JSON or text, a long text by its length."""
    if "json" in response.headers.get("content-type", "") and response.text:
        return response.json()
    return response.text if len(response.text) <= _LONGEST_TEXT else f"<{len(response.text)} characters>"


async def record(server: KratosServer) -> tuple[Recorder, dict[str, list[str]]]:
    """Record all exchanges; return them with the differences of each case from the recordings of the project."""
    # FrontendClient sends a User-Agent, as the recorded client did.
    recorder = Recorder(server, rewrite=await rewrite_for(server), typed=True, leeway=LEEWAY)
    differences: dict[str, list[str]] = {}
    for exchange in load(recorder.rewrite):
        if exchange.server == "default":
            await server.wait(max(0.0, exchange.at - server.time()))
            lines = await run_with_setup(recorder, exchange)
            differences[exchange.case] = [
                line for line in lines if is_unknown_difference(exchange, line, server.version)
            ]
    return recorder, differences


def write(recorder: Recorder, folder: Path) -> None:
    """Write the exchanges to a folder, in the files and the order of the recordings of the project."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        cases = (json.loads(line)["case"] for line in path.read_text(encoding="utf-8").splitlines())
        exchanges = [recorder.exchanges[case] for case in cases if case in recorder.exchanges]
        lines = [json.dumps(exchange, ensure_ascii=False) for exchange in exchanges]
        (folder / path.name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def report(differences: dict[str, list[str]]) -> int:
    """Print the differences, and return the number of exchanges that differ in more than two headers."""
    different = {case: [line for line in lines if not is_advisory(line)] for case, lines in differences.items()}
    different = {case: lines for case, lines in different.items() if lines}
    for case, lines in different.items():
        print("\n    ".join((case, *lines)))
    advisory = sum(any(map(is_advisory, lines)) for lines in differences.values())
    print(f"{len(differences) - len(different)} of {len(differences)} exchanges are alike")
    print(f"{advisory} exchanges have another cache-control or Ory-Error-Id")
    return len(different)


async def record_live() -> tuple[Recorder, dict[str, list[str]]]:
    """Record the exchanges of the Kratos in the environment."""
    async with live() as server:
        print(f"Kratos {'.'.join(map(str, server.version))} at {server.public}")
        return await record(server)


def main() -> int:
    """Record the exchanges of the Kratos in the environment, and return 1 if any differs in more than headers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder for the new recordings")
    folder = parser.parse_args().folder
    recorder, differences = asyncio.run(record_live())
    write(recorder, folder)
    print(f"the new recordings are in {folder}")
    return 1 if report(differences) else 0


if __name__ == "__main__":
    raise SystemExit(main())
