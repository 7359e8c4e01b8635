from sinks.chat_groups import Channel, in_use

FILE = Channel("file", members=0, lag=12)
SERVED = Channel("json-1", members=1, lag=0)
MISSED = Channel("slack-2", members=0, lag=3)


def test_a_file_that_nobody_writes_any_more_is_not_missed_where_a_messenger_is_served():
    assert in_use([FILE, SERVED]) == [SERVED]


def test_a_file_that_is_written_counts():
    written = FILE._replace(members=1)
    assert in_use([written, SERVED]) == [written, SERVED]


def test_a_file_is_missed_where_there_was_never_a_messenger():
    assert in_use([FILE]) == [FILE]


def test_while_the_sink_is_away_the_messenger_alone_is_missed():
    assert in_use([FILE, MISSED]) == [MISSED]


def test_a_messenger_that_nobody_serves_is_missed_beside_one_that_is_served():
    assert in_use([SERVED, MISSED]) == [SERVED, MISSED]
