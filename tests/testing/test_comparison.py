"""The script that compares a Kratos with the fake."""

import json
from pathlib import Path
from typing import Any

import anyio
import compare
import pytest
from support.kratos_servers import in_process


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
