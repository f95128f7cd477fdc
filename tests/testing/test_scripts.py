"""The scripts that record the exchanges of a Kratos, and compare it with the fake."""

import json
from pathlib import Path
from typing import Any

import anyio
import compare
import httpx2
import pytest
import record
from support.kratos_servers import in_process

from .recorded_story import load

EXPECTED = {exchange.case for exchange in load() if exchange.server == "default"}


def recorded(**settings: Any) -> tuple[record.Recorder, dict[str, list[str]]]:
    """Record the exchanges of a fake."""
    return anyio.run(record.record, in_process(cors_enabled=True, **settings))


def test_script_records_every_exchange_and_reports_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder, differences = recorded()
    record.write(recorder, tmp_path)

    written = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert {exchange["case"] for exchange in written} == differences.keys() == EXPECTED
    assert record.report(differences) == 0
    assert "202 of 202 exchanges are alike" in capsys.readouterr().out


def test_script_reports_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    _, differences = recorded(cacheable_sessions=False)
    differences["whoami.none"] = ["cache-control is None instead of ['no-store']"]

    assert record.report(differences) == sum(
        any("ory-session-cache-for" in line for line in lines) for lines in differences.values()
    )
    assert "whoami.cookie\n    ory-session-cache-for is None instead of" in capsys.readouterr().out


def test_script_leaves_out_long_texts() -> None:
    assert record.recorded_body(httpx2.Response(200, text="x" * 5_000)) == "<5000 characters>"


def compared(**settings: Any) -> tuple[dict[str, compare.Exchange], dict[str, list[str]]]:
    """Compare a fake with another one that has other settings."""

    async def run() -> tuple[dict[str, compare.Exchange], dict[str, list[str]]]:
        return await compare.compare(in_process(), in_process(**settings))

    return anyio.run(run)


def test_same_servers_are_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exchanges, found = compared()
    compare.write(exchanges, tmp_path / "exchanges.jsonl")
    lines = (tmp_path / "exchanges.jsonl").read_text().splitlines()

    assert compare.report(found) == 0
    assert [json.loads(line)["case"] for line in lines] == list(exchanges)
    assert f"{len(exchanges)} of {len(exchanges)} exchanges are alike" in capsys.readouterr().out


def test_differences_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = compared(version="v1.2.3", recovery_enabled=False)

    assert found["admin GET /version"] == ["body.version is 'v1.2.3' instead of 'v26.2.0'"]
    assert found["public GET /self-service/recovery/api"] == ["status is 400 instead of 200"]
    assert compare.report(found) == sum(map(bool, found.values()))
    assert "admin GET /version\n    body.version is" in capsys.readouterr().out
