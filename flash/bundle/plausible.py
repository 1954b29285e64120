"""Whether a piece of text may be a real secret: no placeholder, no word, no identifier, no hash. Pure.

Everything here is a judgement, and leans towards letting text pass: who is told of secrets that are none stops looking.
What is drawn by chance changes between lower case, upper case and digits more often than what somebody wrote.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from itertools import pairwise
from math import log2
from typing import Final

__all__ = ["is_encoded_text", "is_password", "is_placeholder", "is_random", "is_token"]

# parts of what people write where a secret would stand, in lower case
_STAND_INS: Final = re.compile(
    r"example|sample|placeholder|dummy|fake|mock|redact|censor|hidden|change[-_ ]?(?:me|it|this)|replace|insert|your|"
    r"todo|fixme|\bnone\b|\bnull\b|undefined|default|invalid|wrong|incorrect|secret|passw|passphrase|credential|"
    r"token|api[-_]?key|\bkey\b|foo|\bbar\b|baz|lorem|hello|world|test|demo|xxx|\*\*\*|\.\.\.|…|abc|qwert|asdf|"
    r"0123|1234|2345|3456|4567|5678|6789|9876|8765|4321|letmein|hunter2|admin|guest|root\b|postgres|mysql|"
    r"not[-_ ]?(?:a|set|real|needed)|deadbeef|cafebabe|username|user\b|<|>|\$\{|\{\{|%\(|%s|\{[a-z_]*\}"
)
# of what is drawn by chance a short word may be a part by chance, too
_STAND_INS_IN_RANDOM: Final = re.compile(
    r"example|sample|placeholder|dummy|redact|change[-_]?me|replace|insert|your[-_]|secret|password|"
    r"token|api[-_]?key|eyjzdwiioiixmjm0nty3odkw|(.)\1{5}|(.{2,8})\2{2}|xxxx|abcdefg|0123456|1234567|9876543|deadbeef|\*\*\*|\.\.\.|<|\$\{"
)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX: Final = re.compile(r"(?:0x)?(?:[0-9a-f]+|[0-9A-F]+)")
# hashes, public keys, and ids of things at Stripe, OpenAI, Clerk and their like say what they are
_NAMED: Final = re.compile(
    r"(?:sha\d{1,3}|md5|blake\w*|h1)[-:=]|AAAA[BC]3Nza|MII[A-Za-z0-9+/]{5}|data:|[a-z]{2,12}://|"
    r"(?:user|org|team|acct|cus|sub|plan|price|prod|proj|asst|file|thread|run|msg|evt|phc|pk|pub)[_.-]"
)
_RANDOM: Final = re.compile(r"[A-Za-z0-9+/_=.~-]+")
_PARTS: Final = re.compile(r"[-_./:+=~ ]+")
# a word with at most a number behind it: sha256, Llama3, 7b, V12
_WORD: Final = re.compile(r"v?\d{0,5}[A-Za-z]{0,3}|[A-Za-z][a-z]*\d{0,4}|[A-Z]+\d{0,4}s?|\d{1,4}[A-Za-z][a-z]*")
_NUMBER: Final = re.compile(r"\d+")
_TECHNICAL: Final = re.compile(
    r"sha\d|md5|utf\d|crypt|oauth|http|base\d|rsa\d|argon|scram|kerberos|ntlm|x509|pkcs|ed25519"
)
_CAMEL: Final = re.compile(r"[A-Z]+(?![a-z])\d{0,4}|[A-Z]?[a-z]+\d{0,4}|\d+")
_SYMBOLS: Final = frozenset("!@#$%^&*?+;~|")
_LONGEST: Final = 4096
_TOO_PLAIN: Final = re.compile(r"[\s\\(){}\[\]<>`\"',]|^[/.~@]|[/.]$|^\w+\.\w+(?:\.\w+)*$|^%")
"""What a password that is written into a file does not have: blanks, brackets; paths, names of modules."""


def is_placeholder(text: str, *, in_random: bool = False) -> bool:
    """Whether it stands where a secret would, and says so.

    >>> is_placeholder("your_api_key_here"), is_placeholder("${DB_PASSWORD}"), is_placeholder("Vx7#kq!2Lw")
    (True, True, False)
    """
    lower = text.lower()
    if (_STAND_INS_IN_RANDOM if in_random else _STAND_INS).search(lower):
        return True
    # xxxxxxxxxxxx, 111111: whatever is repeated
    return len(set(lower)) < min(6, len(lower) * 0.5)


def is_random(text: str) -> bool:
    """Whether it looks drawn by chance, out of letters in both cases and digits.

    >>> is_random("sentence-transformers/all-MiniLM-L6-v2"), is_random("0123456789abcdef0123456789abcdef01234567")
    (False, False)
    """
    if not 20 <= len(text) <= _LONGEST or not _RANDOM.fullmatch(text) or _is_hash(text) or _NAMED.match(text):
        return False
    body = re.sub(r"[^A-Za-z0-9]", "", text)
    kinds = Counter(map(_class, body))
    if min(kinds["a"], kinds["A"], kinds["0"]) < 2 or len(body) < 0.85 * len(text):
        return False
    return (
        _piece_length(body) < 3.3
        and _changes(body) >= 0.4
        and _entropy(body) >= _least_entropy(len(body))
        and not is_placeholder(text, in_random=True)
    )


def is_encoded_text(text: str) -> bool:
    """Whether it is base64 for something that can be read.

    >>> is_encoded_text("VGhlc2UgYXJlbid0IHRoZSBkcm9pZHM="), is_encoded_text("q83vASNFZ4mrze8=")
    (True, False)
    """
    try:
        decoded = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return False
    return sum(32 <= one < 127 or one in b"\r\n\t" for one in decoded) > 0.9 * len(decoded)


def is_token(text: str) -> bool:
    """Whether it may be the value of what is called a key or a token: drawn by chance, also out of fewer characters.

    >>> is_token("pbkdf2_sha256"), is_token("access_token_expired")
    (False, False)
    """
    if not 16 <= len(text) <= _LONGEST or not _RANDOM.fullmatch(text) or _NAMED.match(text) or _UUID.fullmatch(text):
        return False
    if is_placeholder(text, in_random=True):
        return False
    if _HEX.fullmatch(text):
        # shorter ones are colours, ids and numbers
        return len(text) >= 32 and len(set(text)) >= 8 and not text.isdigit() and not text.isalpha()
    if all(_is_word(part) for part in _PARTS.split(text)):
        return False
    body = re.sub(r"[^A-Za-z0-9]", "", text)
    kinds = Counter(map(_class, body))
    if kinds["0"] < 2 or kinds["a"] + kinds["A"] < 4 or len(body) < 0.85 * len(text):
        return False
    if is_encoded_text(text) and is_placeholder(b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")):
        return False
    least = 0.4 if kinds["a"] and kinds["A"] else 0.2
    return _changes(body) >= least and _entropy(body) >= _least_entropy(len(body)) - 0.3


def is_password(text: str) -> bool:
    """Whether it may be the value of what is called a password: characters of several kinds, and no identifier.

    >>> is_password("Vx7#kq!2Lw"), is_password("current_password"), is_password("bcrypt_sha256")
    (True, False, False)
    """
    if not 8 <= len(text) <= 128 or not text.isprintable() or not text.isascii() or _TOO_PLAIN.search(text):
        return False
    if is_placeholder(text) or _is_hash(text) or _NAMED.match(text):
        return is_token(text)
    kinds = {_class(one) for one in text}
    has_symbol = not _SYMBOLS.isdisjoint(text)
    if has_symbol:
        # two symbols at most in a word are punctuation: "Wake up!", "what?"
        return "0" in kinds and ("a" in kinds or "A" in kinds)
    if is_token(text):
        return True
    # a word with a number is a password that people choose; in parts it is an identifier
    return "0" in kinds and text.isalnum() and not text.isdigit() and not _TECHNICAL.search(text.lower())


def _is_hash(text: str) -> bool:
    return _UUID.fullmatch(text) is not None or _HEX.fullmatch(text) is not None


def _is_word(part: str) -> bool:
    if len(part) <= 4 or _WORD.fullmatch(part):
        return True
    return _piece_length(part) >= 3.4 and len(_NUMBER.findall(part)) <= 2


def _piece_length(part: str) -> float:
    """The average length of what a name in camel case is made of: 1.9 for what is drawn by chance."""
    pieces = _CAMEL.findall(part)
    return sum(map(len, pieces)) / len(pieces) if pieces else 0.0


def _class(character: str) -> str:
    if character.islower():
        return "a"
    if character.isupper():
        return "A"
    return "0" if character.isdigit() else "#"


def _changes(text: str) -> float:
    """The part of neighbours that are of different kinds: 0.62 on average for what is drawn by chance."""
    classes = [_class(one) for one in text]
    return sum(one != other for one, other in pairwise(classes)) / max(1, len(text) - 1)


def _entropy(text: str) -> float:
    """Bits a character, by how often each occurs."""
    return -sum(count / len(text) * log2(count / len(text)) for count in Counter(text).values())


def _least_entropy(length: int) -> float:
    # few characters cannot all be different from one another: log2(20) is 4.3
    return min(4.0, log2(max(2, length)) - 0.6)
