"""Runs of a network of one's own are served where its class can be imported, and refused in a sentence where not."""

import importlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nextframe
from tests.service.running import httpx, npy
from tests.service.test_serve import served

MODULE = '''
from torch import nn


class Steps(nn.Module):
    """The next frame of a frame and what it has seen."""

    def __init__(self):
        super().__init__()
        self.read = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, frame, state):
        state = frame * 0 if state is None else state
        said = self.read(torch.cat([frame, state], 1))
        return said[:, :1], said[:, 1:].tanh()


import torch
'''


@pytest.mark.slow
def test_it_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out = tmp_path / "code", tmp_path / "steps"
    code.mkdir()
    (code / "networks_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(code))
    module = importlib.import_module("networks_of_mine").Steps()
    source = "squares:movies=8,frames=6,size=16"
    model = nextframe.fit(
        source, model=module, out=out, past=3, future=3, epochs=1, batch_size=4, validation=0.25, progress=False
    )
    frames = nextframe.open_source(f"{source},seed=5").sequences[0].read(0, 5)[:, 0]
    with served(str(out), paths=str(code)) as (address, _), httpx.Client(base_url=address, timeout=60) as client:
        assert [each["name"] for each in client.get("/models").json()] == ["steps"]
        made = client.post("/forecast?lead_times=4&format=npy", content=npy(frames))
        assert made.status_code == 200, made.text
        expected = model.forecast(frames[-3:], 4).values
        np.testing.assert_allclose(np.load(io.BytesIO(made.content)), expected, atol=1e-5)
        for n, frame in enumerate(frames):
            told = client.post("/streams/mine/frames?lead_times=4", content=npy(frame[None])).json()
            assert told["arrival"] == ("first" if n == 0 else "next"), told
        latest = client.get("/streams/mine/forecasts/latest.npy")
        np.testing.assert_allclose(np.load(io.BytesIO(latest.content)), expected, atol=1e-5)
    command = [sys.executable, "-m", "nextframe", "serve", str(out), "--port", "1"]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert "networks_of_mine:Steps of the network: cannot be imported" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
