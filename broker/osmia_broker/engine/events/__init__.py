"""Everything that is waited for: the triggers that fire an event, and the places where it happens.

A *place* says who waits and what the event does to the owner (`places`): the event itself, a boundary of an activity, an event subprocess of
a scope, a branch behind an event-based gateway, a start event of a process. A *trigger* says what fires it (`timers`, `messages`, `signals`,
`conditions` from outside; `throwing` from inside). Every trigger works at every place.

    waiting    opens and closes what waits: a timer or a subscription per event
    places     fires an event of an element instance
    starts     fires a start event: a new process instance
"""
