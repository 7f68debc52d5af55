"""What people say: sentence patterns with slots, per intent.

A pattern such as ``'could you {bring} me {thing}'`` stands for every choice of its slots. Every
third pattern of an intent and every third choice of a slot are ``heldout``, the others ``train``:
the two never share a pattern, nor what stands in a slot. ``rearranged`` is between them: patterns
held out, with the choices of ``train``. Intents in ``UNRELATED`` name no activity; all others do.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'hello': ('hello', 'hi', 'hey', 'hello there', 'hi there', 'good day'),
        'daytime': ('morning', 'afternoon', 'evening'),
        'pal': ('my friend', 'everybody', 'neighbour', 'old friend', 'everyone', 'you two'),
        'see': ('see you', 'meet you', 'have you here', 'see you again'),
        'glad': ('nice', 'good', 'great', 'lovely', 'so nice'),
        'help': ('help', 'please help', 'help me', 'help me please', 'somebody help'),
        'hurt': ('hurt', 'injured', 'bleeding', 'trapped', 'in pain', 'not able to breathe'),
        'rescue': ('an ambulance', 'a doctor', 'the police', 'the fire brigade', 'for help'),
        'quickly': ('quickly', 'right now', 'at once', 'hurry', 'fast'),
        'robot': ('robot', 'hey robot', 'okay robot', 'robot please'),
        'bring': ('bring', 'fetch', 'get', 'hand', 'pass'),
        'thing': (
            'the red box',
            'my glasses',
            'a towel',
            'the blue folder',
            'my keys',
            'the screwdriver',
            'the remote control',
            'a clean plate',
            'my jacket',
        ),
        'place': ('the kitchen', 'the hallway', 'the office', 'the shelf', 'the charging dock'),
        'chore': (
            'clean the floor',
            'turn on the lamp',
            'open the blinds',
            'set a timer',
            'empty the bin',
            'follow me',
            'water the flowers',
        ),
        'weather': ('rain', 'snow', 'sunshine', 'wind', 'heat'),
        'sport': ('football', 'tennis', 'hockey', 'basketball'),
        'relative': ('my sister', 'my brother', 'my cousin', 'my aunt', 'our uncle'),
        'trip': ('to the seaside', 'to the mountains', 'to the lake', 'to grandma', 'abroad'),
        'show': ('film', 'concert', 'series', 'movie', 'novel'),
        'verdict': ('funny', 'boring', 'wonderful', 'a bit long', 'really clever'),
        'weekend': ('last weekend', 'on saturday', 'on sunday', 'last summer', 'next week'),
        'road': ('ring road', 'motorway', 'coast road', 'northern bypass'),
        'market': ('shares', 'oil prices', 'exports', 'interest rates'),
        'moved': ('rose', 'fell', 'went up', 'dropped', 'held steady'),
        'percent': ('one', 'two', 'three', 'four', 'five'),
        'minister': ('minister', 'mayor', 'president', 'chancellor'),
        'lost': ('pencil', 'notebook', 'other sock', 'shopping list', 'phone charger'),
        'hm': ('hmm', 'let me think', 'now then', 'well well', 'right'),
    }
)
"""Words that may stand for a name in braces."""

INTENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        'greeting': (
            '{hello} {pal}',
            'good {daytime} {pal}',
            '{hello} {glad} to {see}',
            '{hello} how are you',
            '{hello} how are you doing today',
            'good {daytime} how are you',
            '{hello} welcome',
            'welcome home {pal}',
            'good {daytime} and welcome',
            '{glad} to {see} {pal}',
            '{hello} good {daytime}',
            '{hello} {pal} how is it going',
            'oh {hello} {glad} to {see}',
            'greetings {pal}',
            '{hello} over here {glad} to {see}',
        ),
        'help': (
            '{help} i am {hurt}',
            '{help} {quickly}',
            'call {rescue} {quickly}',
            'please call {rescue}',
            'i need {rescue}',
            '{help} call {rescue}',
            'this is an emergency {help}',
            '{help} there is a fire',
            'emergency call {rescue}',
            'i am {hurt} {help}',
            'someone is {hurt} {help}',
            'we need {rescue} {quickly}',
            '{help} i cannot get up',
            'come {quickly} i am {hurt}',
            '{help} it is an emergency',
        ),
        'request': (
            '{robot} {bring} me {thing}',
            '{robot} could you {bring} me {thing}',
            'could you {bring} me {thing} please',
            '{robot} go to {place}',
            '{robot} {chore}',
            'can you {chore} please',
            '{robot} can you {chore}',
            '{robot} drive to {place} and wait',
            'would you {bring} me {thing} from {place}',
            '{robot} find {thing}',
            '{robot} where is {thing}',
            'please {chore} {robot}',
            '{robot} take {thing} to {place}',
            '{robot} carry {thing} to {place} please',
            'i would like you to {chore}',
        ),
        'chat': (
            'so much {weather} {weekend}',
            'did you watch the {sport} {weekend}',
            '{relative} went {trip} {weekend}',
            'the {show} was {verdict}',
            'i think the {show} {weekend} was {verdict}',
            'we drove {trip} {weekend}',
            '{relative} said the {show} was {verdict}',
            'they talk about {weather} {weekend}',
            'i used to play {sport} with {relative}',
            'and then {relative} told me about the {show}',
            'our {sport} team lost {weekend}',
            '{relative} is learning {sport}',
            'what a {show} it was {verdict}',
            'the {weather} spoiled our trip {trip}',
            'you know {relative} loves {sport}',
        ),
        'radio': (
            'traffic is slow on the {road}',
            '{market} {moved} by {percent} percent',
            'the {minister} spoke to reporters',
            'an accident blocks the {road}',
            'the {minister} said that {market} {moved}',
            'and now the news at {percent}',
            'delays of {percent} hours on the {road}',
            '{market} {moved} again today',
            'the {minister} visits parliament',
        ),
        'remark': (
            '{hm} where did i put the {lost}',
            '{hm} what was i about to do',
            'the {lost} must be somewhere',
            '{hm} almost done',
            'one {lost} two {lost}',
            '{hm} that should do',
            'i forgot the {lost} again',
            '{hm} not like that',
            'where is that {lost}',
        ),
    }
)
"""Patterns by intent."""

UNRELATED = ('radio', 'remark')
"""Intents of talk that names no activity."""

FILLERS = ('uh', 'um', 'well', 'so', 'erm', 'ah', 'you know', 'like')

_SLOT = re.compile(r'\{(\w+)\}')


def patterns(intent: str, phrasings: str) -> tuple[str, ...]:
    """Return an intent's patterns in a part of ``config.PHRASINGS``.

    Args:
        intent: key of :data:`INTENTS`.
        phrasings: which sentences, one of ``config.PHRASINGS``.
    """
    part = 'heldout' if phrasings == 'rearranged' else phrasings
    return _part(INTENTS[intent], part)


def choices(slot: str, phrasings: str) -> tuple[str, ...]:
    """Return what may stand in a slot in a part of ``config.PHRASINGS``.

    Args:
        slot: its name.
        phrasings: which sentences, one of ``config.PHRASINGS``.
    """
    part = 'train' if phrasings == 'rearranged' else phrasings
    return _part(SLOTS[slot], part)


def _part(every: tuple[str, ...], part: str) -> tuple[str, ...]:
    if part == 'all':
        return every
    held = part == 'heldout'
    return tuple(entry for place, entry in enumerate(every) if (place % 3 == 2) == held)


def slots(pattern: str) -> tuple[str, ...]:
    """Return the names of a pattern's slots in order."""
    return tuple(_SLOT.findall(pattern))


def fill(pattern: str, words: tuple[str, ...]) -> str:
    """Return the sentence of a pattern with ``words`` in its slots, in order.

    Args:
        pattern: a sentence with slots.
        words: for the slots, in order.
    """
    waiting = iter(words)
    return _SLOT.sub(lambda _match: next(waiting), pattern)


def sentences(intent: str, phrasings: str = 'all') -> Iterator[str]:
    """Yield every sentence of an intent, without fillers or errors.

    Args:
        intent: key of :data:`INTENTS`.
        phrasings: which sentences, one of ``config.PHRASINGS``.
    """
    for pattern in patterns(intent, phrasings):
        for words in itertools.product(*(choices(name, phrasings) for name in slots(pattern))):
            yield fill(pattern, words)
