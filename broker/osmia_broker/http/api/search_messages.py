"""Searches for subscriptions to messages, and for the messages that have reached them."""

from osmia_broker.http.searching import serve_search

TAG = "Message subscription"

serve_search(
    "/message-subscriptions/search",
    name="search_message_subscriptions",
    tag=TAG,
    summary="Search subscriptions to messages, of process instances and of start events.",
)
serve_search(
    "/correlated-message-subscriptions/search",
    name="search_correlated_message_subscriptions",
    tag=TAG,
    summary="Search the messages that have reached an event.",
)
