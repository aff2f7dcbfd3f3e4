/** Runs the recipes about accounts and moderation. */
import tap, { test } from 'tap'
import { writeRecipes } from '../helpers/recipes.js'

tap.setTimeout(300_000)
const recipes = writeRecipes(tap)

test('on-login.mjs: the account is in the session and in the response', async (t) => {
  const { post, get, wechat } = await recipes.start(t, 'on-login.mjs')
  const { body } = await post('/weapp/login', { code: wechat.login('alice') })
  t.equal(body.userId, 1)
  t.strictSame((await get('/me', body.token)).body, { userId: 1 })
})

test('phone-account.mjs: other devices see the merged account', async (t) => {
  const { accounts, createAccount } = await recipes.load('phone-account.mjs')
  const { post, get, wechat, signIn } = await recipes.start(t, 'phone-account.mjs')
  const website = createAccount('+86 13800138000')
  const [phone, tablet] = [await signIn('alice'), await signIn('alice')]
  const before = (await get('/account', tablet)).body.accountId
  t.not(before, website.id)

  const bound = await post('/phone', { phoneCode: wechat.phoneCode('alice') }, phone)
  t.strictSame(bound.body, { accountId: website.id, phone: '+86 13800138000' })
  t.strictSame((await get('/account', phone)).body, bound.body)
  t.strictSame((await get('/account', tablet)).body, bound.body)
  t.strictSame((await get('/account', await signIn('alice'))).body, bound.body)
  t.equal(accounts.get(before).mergedInto, website.id)

  const bob = await signIn('bob')
  const own = (await get('/account', bob)).body.accountId
  const phoneCode = wechat.phoneCode('bob', { phoneNumber: '13900139000' })
  t.strictSame((await post('/phone', { phoneCode }, bob)).body, { accountId: own, phone: '+86 13900139000' })
})

test('guest-member.mjs: a device that was a guest is a member with its next request', async (t) => {
  const { post, get, signIn } = await recipes.start(t, 'guest-member.mjs')
  const [phone, tablet] = [await signIn('alice'), await signIn('alice')]
  t.match(await get('/discounts', tablet), { status: 403, body: { code: 'MEMBERS_ONLY' } })
  t.equal((await post('/membership', {}, phone)).status, 200)
  t.equal((await get('/discounts', tablet)).status, 200)
  t.equal((await get('/discounts')).status, 401)
})

test('moderation.mjs: a ban ends the sessions and refuses logins, a kick does not', async (t) => {
  const requireAdmin = async ({ headers }: { headers: Record<string, unknown> }) => {
    if (headers['authorization'] !== 'Bearer admin') throw Object.assign(new Error('no'), { statusCode: 403 })
  }
  const { app, post, get, signIn, wechat } = await recipes.start(t, 'moderation.mjs', { requireAdmin })
  const [phone, tablet] = [await signIn('alice'), await signIn('alice')]
  const { userId } = (await get('/me', phone)).body
  t.equal((await get(`/admin/users/${userId}/sessions`)).status, 403)

  const sessions = (await get(`/admin/users/${userId}/sessions`, 'admin')).body
  t.equal(sessions.length, 2)
  t.match(sessions[0].label, 'lightMyRequest')
  const kick = await app.inject({
    method: 'DELETE',
    url: `/admin/users/${userId}/sessions/${sessions[0].id}`,
    headers: { authorization: 'Bearer admin' }
  })
  t.strictSame(kick.json(), { ended: true })
  t.match(await get('/me', phone), { status: 401, body: { code: 'FST_WEAPP_SESSION_KICKED' } })
  t.equal((await get('/me', tablet)).status, 200)
  t.equal(typeof await signIn('alice'), 'string')

  t.strictSame((await post(`/admin/users/${userId}/ban`, {}, 'admin')).body, { ended: 2 })
  t.match(await get('/me', tablet), { status: 401, body: { code: 'FST_WEAPP_SESSION_KICKED' } })
  const login = await post('/weapp/login', { code: wechat.login('alice') })
  t.match(login, { status: 403, body: { code: 'BANNED' } })
})
