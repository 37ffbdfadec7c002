"""A folder of anyone's files, sorted by the company whose books each belongs to."""

import os
import shutil
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from dagboek_schemas.identity import document_identity, normal_number
from dagboek_schemas.revision import document_revision
from dagboek_sdk.source import EntityRef

from dagboek.demo.company import SOURCE, DemoTrouble
from dagboek.demo.stage import Stage
from dagboek.demo.wishes import SUFFIX

_NOWHERE = ".missing"
"""What stands for a file that cannot be read leads to this name, which is never there."""


@dataclass(frozen=True, slots=True)
class Pile:
    """Files of one company, in a folder of their own under the same names."""

    tenant: str
    entity: EntityRef
    folder: Path
    files: tuple[str, ...]
    nameless: frozenset[str] = frozenset()
    """Those of which the issuer cannot be read: they may be any company's."""


async def sorted_files(stage: Stage, folder: Path, vat_number: str | None) -> list[Pile]:
    """One pile for the company with `vat_number`, or one for each company that issued documents in `folder`.

    What tells no issuer goes to the first pile, where its issues are shown. DemoTrouble when there is no file.
    """
    groups = await _issuers(stage, folder)
    if not groups:
        raise DemoTrouble(f"There is no UBL file (*.xml) in {folder}.")
    every = tuple(file for _, files in groups for file in files)
    if vat_number is not None:
        entity = _known(groups, vat_number)
        return [Pile(entity.name, entity, folder, every)]
    named = [(entity, list(files)) for entity, files in groups if entity is not None]
    nameless = [file for entity, files in groups if entity is None for file in files]
    if not named:
        named = [(EntityRef("Unknown company"), [])]
    named[0][1].extend(nameless)
    home = stage.settings.data_dir / "invoices"
    shutil.rmtree(home, ignore_errors=True)
    unknown = frozenset(nameless)
    return [_pile(home / f"{at:03}", folder, entity, files, at, unknown) for at, (entity, files) in enumerate(named, 1)]


async def set_apart(stage: Stage, piles: Sequence[Pile]) -> list[Pile]:
    """The same files, with every further version of a number in a pile, and so in books, of its own.

    In earnest such a file is the same document again: it is booked once, and an issue says so. A file with the same
    content as another one is left beside it: it stands for the same entry here too.
    """
    found: list[Pile] = []
    for pile in piles:
        layers = await _layers(stage, pile)
        for at, files in enumerate(layers):
            if at == 0 and len(layers) == 1:
                found.append(pile)
                continue
            target = stage.settings.data_dir / "apart" / f"{len(found):03}"
            shutil.rmtree(target, ignore_errors=True)
            for file in files:
                _put(pile.folder, file, target / file)
            tenant = f"{pile.tenant}, again {at}" if at else pile.tenant
            found.append(Pile(tenant, pile.entity, target, tuple(files), pile.nameless))
    return found


def left_alone(folder: Path, files: Set[str]) -> list[str]:
    """Files of the folder that are none of `files` and tell nothing of one either, such as `A1.xml.pending` does.

    Names that begin with a dot are not meant to be seen.
    """
    found: list[str] = []
    for below, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = Path(below).relative_to(folder)
        for path in (str(inner / name) for name in sorted(names) if not name.startswith(".")):
            if not path.lower().endswith(SUFFIX) and path.rpartition(".")[0] not in files:
                found.append(path)
    return found


async def _layers(stage: Stage, pile: Pile) -> list[list[str]]:
    """Files so divided that no two of one part differ under one number; what cannot be read is in the first."""
    source_class = stage.plugins.source(SOURCE)
    source = source_class(source_class.about.settings(folder=pile.folder), pile.entity)
    try:
        fetched = await source.fetch(pile.files)
    finally:
        await source.close()
    layers: list[list[str]] = [[]]
    seen: dict[str, dict[str, int]] = {}
    for one in fetched:
        at = 0
        if one.document is not None:
            identity = document_identity(one.document, "", pile.entity.vat_number or pile.entity.name)
            versions = seen.setdefault(identity, {})
            at = versions.setdefault(document_revision(one.document), len(versions))
        if at == len(layers):
            layers.append([])
        layers[at].append(one.origin_id)
    return layers


async def _issuers(stage: Stage, folder: Path) -> Sequence[tuple[EntityRef | None, Sequence[str]]]:
    source_class = stage.plugins.source(SOURCE)
    source = source_class(source_class.about.settings(folder=folder), EntityRef(""))
    try:
        return await source.issuers()
    finally:
        await source.close()


def _known(groups: Sequence[tuple[EntityRef | None, Sequence[str]]], vat_number: str) -> EntityRef:
    wanted = normal_number(vat_number)
    for entity, _ in groups:
        if entity is not None and normal_number(entity.vat_number or "") == wanted:
            return entity
    country = wanted[:2] if wanted[:2].isalpha() else "BE"
    return EntityRef(vat_number, vat_number=vat_number, country=country)


def _pile(
    target: Path, folder: Path, entity: EntityRef, files: Sequence[str], number: int, nameless: frozenset[str]
) -> Pile:
    for file in files:
        _put(folder, file, target / file)
    return Pile(f"{entity.name} ({number})", entity, target, tuple(files), nameless)


def _put(folder: Path, file: str, target: Path) -> None:
    """The same file under another folder: linked where that can be, else copied. What cannot be read stays so."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # os.path.realpath: unlike Path.resolve() it does not raise for links that go round in circles.
    origin = Path(os.path.realpath(folder / file))
    elsewhere = origin.is_dir() or not origin.is_relative_to(os.path.realpath(folder))
    if elsewhere and (folder / file).is_symlink():
        target.symlink_to(origin)  # so it does here
        return
    if origin.is_symlink():
        target.symlink_to(target.name)  # round in a circle, as there
        return
    try:
        os.link(origin, target)
    except OSError:
        try:
            shutil.copy2(origin, target)
        except OSError:
            target.symlink_to(_NOWHERE)
