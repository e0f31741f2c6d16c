"""Every statement of the contract by id; test_tidy asks for a test of each, named test_FEED_1_... in this folder."""

CONTRACT = {
    "FEED-1": "camera, user and face resource events reach consumers as JSON in STOMP frames over ws and wss",
    "FEED-2": "nothing works before set-up: an exchange that was not configured does not exist",
    "FEED-3": "many subscriptions a connection, many connections, three ack modes, and all else of STOMP 1.0 to 1.2",
    "NAME-1": "a destination is /exchange/{system}_{message_type}/{routing key}; the system's name may contain _",
    "NAME-2": "the message types are event_full_v24, event_v24, face_v24 and user_v24",
    "NAME-3": "an event's key is {partnerId}.{accountId}.{cameraId}.create.{eventTypes}",
    "NAME-4": "a face's or user's key is {partnerId}.{accountId}.{action}: create, update or delete",
    "NAME-5": "{eventTypes} is the type's path from root to leaf, so a subscription to a type takes in its descendants",
    "BODY-1": "event_full_v24 is the Events API's event without stream URLs; unknown further fields pass untouched",
    "BODY-2": "a timestamp is yyyy-MM-dd'T'HH:mm:ss.SSSZ with the zone as +0000, without a colon",
    "BODY-3": "a face_v24 body has accountId, faceId, timestamp and action",
    "BODY-4": "a face is created, updated or deleted, and the body's action is the key's",
    "BODY-5": "a greater eventId may carry an older timestamp",
    "TOPIC-1": "words are joined by dots; * is exactly one word, # is zero or more, anywhere",
    "TOPIC-2": "the table of eight patterns for one key",
    "SESS-1": "Basic e-mail:password in the handshake, or the same pair as login and passcode in CONNECT",
    "SESS-2": "CONNECT carries accept-version and heart-beat, in milliseconds",
    "SESS-3": "SUBSCRIBE works without an id; ack:client is cumulative; prefetch-count bounds what is unacknowledged",
    "SESS-4": "ack ids are Q_{destination}@@{session}@@{n} or T_{id}@@... with an id; a MESSAGE names its key",
    "SESS-5": "a wildcard over the partner word never shows another partner's events",
}
