// The launch does not sign in. The client signs in when a page sends a request, or when the user taps.
App({})
