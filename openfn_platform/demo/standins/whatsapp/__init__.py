"""WhatsApp Cloud API as a stand-in."""
