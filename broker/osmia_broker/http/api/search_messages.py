"""Searches for subscriptions to messages, and for the messages that have reached them."""

from osmia_broker.http.searching import serve_search
from osmia_broker.store.read.entities import CORRELATIONS, MESSAGE_SUBSCRIPTIONS

TAG = "Message subscription"

serve_search(
    "/message-subscriptions/search",
    MESSAGE_SUBSCRIPTIONS,
    name="search_message_subscriptions",
    tag=TAG,
    summary="Search subscriptions to messages, of process instances and of start events.",
)
serve_search(
    "/correlated-message-subscriptions/search",
    CORRELATIONS,
    name="search_correlated_message_subscriptions",
    tag=TAG,
    summary="Search the messages that have reached an event.",
)
