"""Who waits for news of an account, and what wakes it."""

import asyncio

import pytest

from kakehashi.terminal.news import News

FOR_EVER_S = 3600.0


@pytest.mark.parametrize(("what", "wakes"), [("alpha", True), ("beta", False), ("all", True)])
async def test_a_wait_ends_with_news_of_its_account(what: str, *, wakes: bool) -> None:
    news = News()
    waiting = asyncio.create_task(news.beyond("alpha", news.turn("alpha"), FOR_EVER_S))
    await asyncio.sleep(0)
    if what == "all":
        news.of_all()
    else:
        news.of(what)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done() is wakes
    waiting.cancel()


async def test_news_that_came_between_two_waits_are_not_missed() -> None:
    news = News()
    seen = news.turn("alpha")
    news.of("alpha")
    waiting = asyncio.create_task(news.beyond("alpha", seen, FOR_EVER_S))
    await asyncio.sleep(0)
    assert waiting.done()


async def test_without_news_a_wait_ends_in_time() -> None:
    news = News()
    await news.beyond("alpha", news.turn("alpha"), 0.001)
    assert news.turn("alpha") == 0
