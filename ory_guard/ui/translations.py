"""The texts of the pages in several languages: by the ids of Kratos' messages, and by the names of the pages' own.

English comes from Kratos for its messages, and from `locales/en.json` for the texts of the pages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from ory_guard.client.models.ui_nodes import UiText

__all__ = ["Catalogs", "Translations", "Translator"]

Translations = Mapping[str, Mapping[int | str, str]]
"""By language, such as `nl`: texts by message id, such as 1070001, and by the name of a text of the pages."""

_DEFAULT: Final = "en"
_SHIPPED: Final = ("en", "de")
_MAX_LANGUAGES: Final = 20


@dataclass(frozen=True)
class Translator:
    """The texts in one language.

    Attributes:
        language: The language tag.
        texts: The texts by message id and name, as text.
        fallback: The English texts of the pages.
    """

    language: str
    texts: Mapping[str, str]
    fallback: Mapping[str, str]

    def __call__(self, name: str, **values: object) -> str:
        """Return a text of the pages with values for its placeholders."""
        return self._formatted(self.texts.get(name), values) or self._formatted(self.fallback[name], values) or name

    def has(self, name: str) -> bool:
        """Return whether the pages have a text with a name."""
        return name in self.fallback

    def message(self, text: UiText) -> str:
        """Return a message of Kratos: the translation of its id, or Kratos' own text."""
        return self._formatted(self.texts.get(str(text.id)), text.context or {}) or text.text

    def _formatted(self, template: str | None, values: Mapping[str, Any]) -> str | None:
        if template is None:
            return None
        try:
            return template.format_map(_Placeholders(values))
        except (AttributeError, IndexError, KeyError, ValueError):  # a placeholder that Kratos does not fill
            return None


class _Placeholders(dict[str, Any]):
    """Values of placeholders; only text and numbers are inserted."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if not isinstance(value, str | int | float):
            raise KeyError(name)
        return value


class Catalogs:
    """The texts in all languages.

    Args:
        translations: More languages, or other texts of a shipped one.
    """

    def __init__(self, translations: Translations | None = None) -> None:
        texts: dict[str, dict[str, str]] = {language: _load(language) for language in _SHIPPED}
        english = dict(texts[_DEFAULT])
        for language, given in (translations or {}).items():
            texts.setdefault(language.lower(), {}).update({str(name): text for name, text in given.items()})
        english.update({name: text for name, text in texts[_DEFAULT].items() if name in english})
        self._translators = {
            language: Translator(language, catalog, english) for language, catalog in texts.items()
        }

    def for_header(self, accept_language: str) -> Translator:
        """Return the texts for an `Accept-Language` header (RFC 9110, section 12.5.4); English by default."""
        weights: dict[str, float] = {}
        for part in accept_language.lower().split(",")[:_MAX_LANGUAGES]:
            tag, _, quality = part.partition(";")
            weights.setdefault(tag.strip(), _quality(quality))
        for tag in sorted(weights, key=lambda tag: -weights[tag]):
            for language in (tag, tag.partition("-")[0]):
                if weights[tag] > 0 and language in self._translators:
                    return self._translators[language]
        return self._translators[_DEFAULT]


def _quality(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0


def _load(language: str) -> dict[str, str]:
    resource = files("ory_guard.ui").joinpath("locales", f"{language}.json")
    texts: dict[str, str] = json.loads(resource.read_text(encoding="utf-8"))
    return texts
