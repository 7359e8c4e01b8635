"""One part that can't be looked at leaves the others as they are."""

from __future__ import annotations

from infra.doctor.finding import Away
from infra.doctor.run import _groups, _patiently
from infra.settings import Settings


async def test_whatever_a_client_raises_is_told_of_its_part_alone():
    async def odd() -> str:
        raise NotImplementedError("no such version")

    told = await _patiently("Kafka", odd())
    assert isinstance(told, Away)
    assert told.what == "looking at Kafka failed (NotImplementedError: no such version)"


def test_the_chat_sink_has_a_group_for_each_messenger(tmp_path):
    plain = _groups(Settings(data=tmp_path))
    assert plain == ["qala-streams", "qala-sink-influx", "qala-sink-chat.file"]
    given = Settings(data=tmp_path, chat={"urls": ["json://127.0.0.1", "json://127.0.0.2"]})
    assert len(_groups(given)) == 4
    wrong = Settings(data=tmp_path, chat={"urls": ["nosuch://token-123"]})
    assert len(_groups(wrong)) == 2
