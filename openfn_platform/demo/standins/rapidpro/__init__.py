"""RapidPro (TextIt) as a stand-in."""
