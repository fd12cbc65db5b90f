"""Where things are drawn, computed by hand: the plot is 140 px high, from 8 down to 148, and 100 % or 1,000 units wide."""

from __future__ import annotations

import pytest

from webapp.core.pictures.bars import Bar, Rect, bars, time_bars
from webapp.core.pictures.lines import lines, sparkline
from webapp.core.templatetags.pictures import picture

NOON_MS = 1_795_176_000_000
MINUTE_MS = 60_000


def test_bars_are_shares_of_the_longest() -> None:
    drawn = bars([Bar("click", 30, "/clicks"), Bar("buy", 7.5), Bar("share", 0)], unit="events", title="By type")
    assert [(row.label, row.width, row.text) for row in drawn.rows] == [
        ("click", 100.0, "30"),
        ("buy", 25.0, "7.5"),
        ("share", 0.0, "0"),
    ]
    assert drawn.summary == "3 in all; most: click with 30 events."
    assert '<a href="/clicks">click</a>' in picture(drawn)


def test_bars_of_nothing_are_empty_and_negative_ones_refused() -> None:
    assert bars([], unit="events", title="By type").rows == []
    with pytest.raises(ValueError, match="negative"):
        bars([Bar("loss", -1)], unit="events", title="By type")


def test_time_bars_stand_on_each_other() -> None:
    at_ms = [NOON_MS + place * MINUTE_MS for place in range(4)]
    drawn = time_bars({"click": [50, 0, 100, 25], "buy": [50, 0, 0, 25]}, at_ms, unit="events", title="Events")
    assert [tick.text for tick in drawn.y_ticks] == ["0", "25", "50", "75", "100"]
    assert [tick.at for tick in drawn.y_ticks] == [148.0, 113.0, 78.0, 43.0, 8.0]
    # a column is a quarter of the width, of which 12 % is left free
    assert drawn.columns[0].rects == [Rect(1.5, 78.0, 22.0, 70.0, 1), Rect(1.5, 8.0, 22.0, 70.0, 2)]
    assert drawn.columns[1].rects == []
    assert drawn.columns[3].rects == [Rect(76.5, 113.0, 22.0, 35.0, 1), Rect(76.5, 78.0, 22.0, 35.0, 2)]
    assert drawn.columns[3].words == "20 Nov 12:03:00 UTC: click 25, buy 25 events"
    assert [(tick.at, tick.text) for tick in drawn.x_ticks] == [(25.0, "12:01"), (50.0, "12:02"), (75.0, "12:03")]
    assert drawn.table.rows[2] == ["20 Nov 12:02:00 UTC", "100", "0"]
    assert drawn.summary == "Most at 20 Nov 12:00:00 UTC: 100 events. Last: 50."


def test_time_bars_need_a_value_for_each_moment() -> None:
    with pytest.raises(ValueError, match="one value for each"):
        time_bars({"click": [1]}, [NOON_MS, NOON_MS + 1], unit="events", title="Events")


def test_a_line_breaks_where_nothing_was_measured() -> None:
    at_ms = [NOON_MS + place * MINUTE_MS for place in range(5)]
    drawn = lines({"p95": [0.0, 1.0, None, 2.0, 4.0], "p50": [None] * 5}, at_ms, unit="s", title="Freshness")
    assert drawn.lines[0].pieces == ["0,148 250,113", "750,78 1000,8"]
    assert drawn.lines[1].pieces == []
    assert [name.last for name in drawn.names] == ["4", "–"]
    assert [(hover.x, hover.width) for hover in drawn.hovers] == [
        (0, 12.5),
        (12.5, 25),
        (37.5, 25),
        (62.5, 25),
        (87.5, 12.5),
    ]
    assert drawn.hovers[2].words == "20 Nov 12:02:00 UTC: p95 –, p50 – s"
    assert drawn.summary == "p95: From 0 to 4 s, last 4. p50: Nothing was measured."


def test_a_sparkline_reaches_the_edges() -> None:
    drawn = sparkline([0, 5, 10, None, 4], unit="events/s", title="Events", limit=5)
    # 26 px of height between the edge of 2 px and the bottom of 28 px
    assert drawn.pieces == ["0,28 250,15 500,2", "1000,17.6 1001,17.6"]
    assert drawn.areas[0] == "0,28 0,28 250,15 500,2 500,28"
    assert drawn.limit == 15.0
    assert sparkline([1, 2], unit="s", title="Freshness", limit=5).limit is None


def test_pictures_say_in_words_what_they_show_and_escape_names() -> None:
    at_ms = [NOON_MS, NOON_MS + MINUTE_MS]
    for drawn in (
        time_bars({"<b>": [1, 2]}, at_ms, unit="events", title="Events"),
        lines({"<b>": [1, 2]}, at_ms, unit="events", title="Events"),
    ):
        markup = picture(drawn)
        assert 'role="img"' in markup
        assert "<title>Events, in events</title>" in markup
        assert "<caption>Events, in events</caption>" in markup
        assert "<b>" not in markup.replace("<b>2</b>", "")
        assert "style=" not in markup
    assert "<desc>From 1 to 2 s, last 2.</desc>" in picture(sparkline([1, 2], unit="s", title="Age"))
    assert picture(None) == ""
