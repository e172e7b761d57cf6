# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.


"""Hypothesis strategies for what a config drive can hold."""

from __future__ import annotations

from hypothesis import strategies as st

FORBIDDEN = "*/:;?\\\x7f"

characters = st.characters(
    min_codepoint=32, max_codepoint=0xFFFF, exclude_categories=["Cs"],
    exclude_characters=FORBIDDEN,
)  # fmt: skip
plain = st.text("abcXYZ019-_. ", min_size=1, max_size=30)
names = (
    st.one_of(plain, st.text(characters, min_size=1, max_size=64))
    .filter(lambda name: name not in (".", ".."))
    .filter(lambda name: len(name.encode()) <= 64)
    .filter(lambda name: name.lower() not in ("rr_moved", ".rr_moved"))
)
contents = st.one_of(
    st.binary(max_size=50),
    st.sampled_from([0, 1, 2047, 2048, 2049, 4096, 131072, 131073, 200000]).map(
        lambda size: b"s" * size
    ),
)


@st.composite
def drives(draw, max_files: int = 12) -> dict[str, bytes]:
    """Files whose paths do not clash, up to the greatest depth."""
    files: dict[str, bytes] = {}
    taken: dict[str, bool] = {}  # folded path: is it a file
    parents = st.one_of(
        st.just(()),
        st.lists(names, max_size=3),
        st.lists(names, min_size=7, max_size=7),
    )
    known = [()]
    for _ in range(draw(st.integers(1, max_files))):
        parent = draw(st.one_of(parents.map(tuple), st.sampled_from(known)))
        path = (*parent, draw(names))
        spelled = ["/".join(path[:depth]) for depth in range(1, len(path) + 1)]
        folded = [text.upper().casefold() for text in spelled]
        clash = folded[-1] in taken or any(taken.get(above) for above in folded[:-1])
        spellings = {f: s for s, f in zip(spelled, folded, strict=True)}
        other = any(
            known_path != spellings[fold]
            for fold, known_path in drive_spelling(files).items()
            if fold in spellings
        )
        if clash or other:
            continue
        taken[folded[-1]] = True
        taken.update(dict.fromkeys(folded[:-1], False))
        known.append(tuple(parent))
        files["/".join(path)] = draw(contents)
    return files or {"a": b""}


def drive_spelling(files: dict[str, bytes]) -> dict[str, str]:
    """How each path and directory is spelled, by its folded form."""
    spelling = {}
    for path in files:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            text = "/".join(parts[:depth])
            spelling[text.upper().casefold()] = text
    return spelling
