"""XMP packets that carry a recipe."""

import json
from xml.etree import ElementTree
from xml.sax.saxutils import escape

NAMESPACE = "urn:vangram:1.0/"
TAG = f"{{{NAMESPACE}}}recipe"

PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:vangram="{NAMESPACE}">'
    "<vangram:recipe>%s</vangram:recipe>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="w"?>'
)


def packed(recipe: str) -> bytes:
    """Wrap a recipe in an XMP packet, as a JSON string in ASCII.

    XML 1.0 excludes most control characters and normalises carriage returns.
    """
    return (PACKET % escape(json.dumps(recipe))).encode()


def unpacked(packet: bytes | str) -> str | None:
    """The recipe in an XMP packet; None if there is none."""
    try:
        text = packet if isinstance(packet, str) else packet.decode("utf-8")
        # Entities can expand without bound or name files; XMP needs none.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None
        root = ElementTree.fromstring(text.strip("\0 \r\n\t\ufeff"))
        for element in root.iter():
            # Other programs may rewrite an element as an attribute (XMP part 1, 7.9.2.2).
            value = element.text if element.tag == TAG else element.get(TAG)
            if value is not None:
                recipe = json.loads(value)
                return recipe if isinstance(recipe, str) else None
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None
    return None
