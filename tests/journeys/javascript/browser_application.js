// A single-page application with oidc-client-ts, in a browser, at an origin of its own. The page that
// loads it sets `issuer` and `clientId`; tests call `application`.
const { origin, pathname } = window.location
const application = new oidc.UserManager({
  authority: issuer,
  client_id: clientId,
  redirect_uri: `${origin}/callback`,
  popup_redirect_uri: `${origin}/answered`,
  silent_redirect_uri: `${origin}/answered`,
  post_logout_redirect_uri: `${origin}/`,
  scope: 'openid profile offline_access agents:run',
  resource: 'my-os',
  loadUserInfo: true,
  includeIdTokenInSilentRenew: true,
  automaticSilentRenew: false,
})

/** The access token of a silent sign-in in a frame (`prompt=none`), or the error. */
async function inAFrame() {
  const user = await application.getUser()
  delete user.refresh_token // which would be used instead
  await application.storeUser(user)
  return application.signinSilent().then((again) => again.access_token, (error) => error.error ?? String(error))
}

/** The user after a refresh, or the error. */
async function refreshed() {
  return application.signinSilent().catch((error) => error.error ?? String(error))
}

/** Opens the sign-in in a window of its own; `popup` becomes who signed in there. */
function signInInAWindow() {
  window.popup = application.signinPopup().then(
    (user) => user.profile.preferred_username,
    (error) => String(error),
  )
}

async function load() {
  if (pathname === '/answered') return application.signinCallback()
  if (pathname === '/callback') await application.signinCallback()
  if (pathname === '/' && window.location.search) await application.signoutCallback()
  const user = await application.getUser()
  document.title = user ? `Hello ${user.profile.name}` : 'Nobody'
}

load().catch((error) => { document.title = `Failed: ${error}` })
