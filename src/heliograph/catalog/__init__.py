"""What may be published: event types, message types, their routing keys and bodies.  Pure, and driven by data.

* ``event_types``: the tree of event types, and a type's path in it
* ``routing_key``: the layout of a message type's routing keys
* ``bodies``: the JSON shapes
* ``body_shape``: reading a body against its shape, faults as sentences
* ``message_type``: a layout and a shape together: what a key and a body must agree in
* ``message_types``: the built-in ones
"""
