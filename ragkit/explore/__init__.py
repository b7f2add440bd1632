"""Where a person looks: search, wins and losses, recorded runs, and judging; widgets for a notebook.

Plain functions over plain data: engine (what is searched, and why it was found), judgments (files, pools,
agreement), records (recorded runs and their differences), shown (HTML, all text in it escaped). Over them
the widgets: searching, judging, winning, listing. The text of documents is anybody's: it comes to the page
through `shown` alone, or as an option of a list, which a browser takes as text.
"""

from ragkit.explore.judging import Judge as judge  # noqa: N813  a notebook calls them: explore.judge(...)
from ragkit.explore.listing import Runs as runs  # noqa: N813
from ragkit.explore.searching import Search as search  # noqa: N813
from ragkit.explore.winning import Wins as wins  # noqa: N813

__all__ = ["judge", "runs", "search", "wins"]
