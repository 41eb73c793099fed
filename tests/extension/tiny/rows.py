"""The rows: what a table says of each, without importing what it names."""

from nextframe.architectures import Architecture
from nextframe.forecasting.baselines import Baseline
from nextframe.frames.format import Format
from nextframe.outputs.writer import Writer
from nextframe.plugins import Late

FORMAT = Format(name="plain text", suffixes=(".frames",), open=Late("tiny.format:open_text"), library="NumPy")
WRITER = Writer(
    name="plain text",
    suffix=".frames",
    media="text/plain",
    write=Late("tiny.writer:write_text"),
    about="the values, a frame a line",
)
ARCHITECTURE = Architecture(
    name="leaky",
    home="tiny.model:StackedLeakyMemory",
    title="convolutions with a memory that fades",
    filters=(16, 16),
    takes=frozenset({"min_seen", "scheduled_sampling", "rollout_training"}),
)
BASELINE = Baseline(
    name="fading",
    make=Late("tiny.baseline:Fading"),
    title="the last frame, a tenth of which is lost at each lead time",
)
