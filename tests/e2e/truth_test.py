"""What the dashboard shows is true: situations on the real stack, looked at in a headless Chromium.

A stage is a Kanchi with one browser, shared by the tests below it; a scene is a function of
frontend/e2e/truth/, named by what a viewer sees.
"""

import pytest
import rig
from e2e.truth import Stage
from e2e.viewer import needs_browser

pytestmark = needs_browser

WORKERS, QUEUES = 1000, 500


@pytest.fixture(scope="module")
def crowd(session_folder):
    """Workers by the hundred, and queues with messages and no consumer; one of each has a very long name."""
    folder = session_folder / "crowd"
    folder.mkdir()
    stage = Stage(folder)
    stage.crowd = rig.Crowd(stage.url, WORKERS, QUEUES)
    rig.wait_for(lambda: len(list(stage.kanchi.all_items("/workers", limit=200))) == WORKERS, 60, "the workers")
    rig.wait_for(lambda: sum(one["depth"] == 1 for one in stage.kanchi.all_items("/queues", limit=200)) == QUEUES, 60, "the queues")
    yield stage
    stage.crowd.stop()
    stage.stop()


def test_hundreds_of_workers_are_a_light_page_where_each_can_be_found(crowd):
    crowd.sees("manyWorkersAreALightPage", last=max(crowd.crowd.workers))


def test_long_names_fit_a_phone(crowd):
    crowd.sees("longNamesFitAPhone")


def test_the_workers_table_is_cut_off_nowhere_without_a_sign(crowd):
    crowd.sees("theWorkersTableIsWhole")


def test_like_troubles_are_one_line_that_leads_to_all_of_them(crowd):
    crowd.sees("likeTroublesAreOneLine", queues=QUEUES)


def test_the_header_is_not_well_beside_troubles(crowd):
    crowd.sees("theHeaderIsNotWellBesideTroubles", queues=QUEUES)


def test_a_dismissed_trouble_is_hidden_until_it_is_wanted_again(crowd):
    crowd.sees("aDismissedTroubleIsHidden", queues=QUEUES)


def test_badges_are_short(crowd):
    crowd.sees("badgesAreShort")


def test_each_queue_has_a_readable_history_by_few_requests(crowd):
    crowd.sees("everyQueueHasItsLine")


def test_hundreds_of_queues_are_a_light_page(crowd):
    crowd.sees("manyQueuesAreALightPage")


def test_the_palette_takes_the_best_match_and_nothing_destructive(crowd):
    crowd.sees("thePaletteTakesTheBestMatch", worker=crowd.crowd.workers[-1])


def test_settings_list_the_keys_of_all_pages(crowd):
    crowd.sees("settingsListEveryKey")


def test_a_missing_page_is_said_inside_the_frame(crowd):
    crowd.sees("aMissingPageKeepsTheFrame")
