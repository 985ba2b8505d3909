"""A secret decrypts only where it was put, only as it was, and only with a key that is known."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.common.crypto import BadKeys, CannotDecrypt, Cipher, new_key

OLD, NEW = new_key(), new_key()
CIPHER = Cipher([NEW])


@given(plain=st.binary(max_size=200), owner=st.text(st.characters(codec="utf-8")))
def test_what_was_encrypted_comes_back(plain: bytes, owner: str) -> None:
    stored = CIPHER.encrypt(plain, owner=owner)
    assert CIPHER.decrypt(stored, owner=owner) == plain
    assert len(plain) < 4 or plain not in stored


def test_the_same_secret_never_looks_the_same() -> None:
    assert len({CIPHER.encrypt(b"x", owner="a") for _ in range(50)}) == 50


def test_a_ciphertext_that_was_moved_to_another_row_does_not_decrypt() -> None:
    stored = CIPHER.encrypt(b"secret", owner="credential_body:1")
    with pytest.raises(CannotDecrypt):
        CIPHER.decrypt(stored, owner="credential_body:2")


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    stored = bytearray(CIPHER.encrypt(b"secret", owner="a"))
    place = data.draw(st.integers(0, len(stored) - 1))
    stored[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotDecrypt):
        CIPHER.decrypt(bytes(stored), owner="a")


@given(
    st.binary(max_size=60) | st.integers(0, 60).map(lambda cut: CIPHER.encrypt(b"secret", owner="a")[:cut])
)
def test_rubbish_and_halves_are_refused_with_a_sentence(stored: bytes) -> None:
    if len(stored) < len(CIPHER.encrypt(b"secret", owner="a")):
        with pytest.raises(CannotDecrypt):
            CIPHER.decrypt(stored, owner="a")


def test_after_a_new_key_came_first_the_old_secrets_still_open_and_tell_their_key() -> None:
    stored = Cipher([OLD]).encrypt(b"secret", owner="a")
    both = Cipher([NEW, OLD])
    assert both.decrypt(stored, owner="a") == b"secret"
    assert Cipher.key_id(stored) == OLD.partition(":")[0]
    assert Cipher.key_id(stored) != both.current
    again = both.encrypt(both.decrypt(stored, owner="a"), owner="a")
    assert Cipher.key_id(again) == both.current == NEW.partition(":")[0]
    assert Cipher([NEW]).decrypt(again, owner="a") == b"secret"


def test_without_its_key_a_secret_cannot_be_read() -> None:
    stored = Cipher([OLD]).encrypt(b"secret", owner="a")
    with pytest.raises(CannotDecrypt, match="CREDENTIAL_KEYS"):
        Cipher([NEW]).decrypt(stored, owner="a")


def test_another_key_of_the_same_name_is_noticed() -> None:
    stored = Cipher([f"k1:{NEW.partition(':')[2]}"]).encrypt(b"secret", owner="a")
    with pytest.raises(CannotDecrypt):
        Cipher([f"k1:{OLD.partition(':')[2]}"]).decrypt(stored, owner="a")


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["nokey"],
        ["k:"],
        [":" + NEW.partition(":")[2]],
        ["k:not base64!"],
        ["k:" + base64.b64encode(bytes(16)).decode()],
        ["x" * 33 + ":" + NEW.partition(":")[2]],
        [NEW, "broken"],
    ],
)
def test_nonsense_for_keys_is_refused(keys: list[str]) -> None:
    with pytest.raises(BadKeys):
        Cipher(keys)


def test_keys_do_not_show_in_errors() -> None:
    with pytest.raises(BadKeys) as caught:
        Cipher([NEW[:-8]])
    assert NEW.partition(":")[2][:12] not in str(caught.value) + repr(caught.value)
