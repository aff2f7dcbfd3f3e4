// Nobody is signed in at the launch: the client does it when a page asks, or when the user taps.
App({})
