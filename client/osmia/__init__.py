"""The client side of Osmia: call the gateway, work on jobs."""
