/** The lines of the shop and of the Mini Program that the page shows beside a message. */

/** The file of each snippet, and the beginnings of its first and of its last line. */
export const SNIPPETS = {
  'server.weapp': ['../shop/plugins/weapp.ts', '  await app.register(weapp, {', '  })'],
  'server.proof': ['../shop/plugins/weapp.ts', '  async function proofIn', '  }'],
  'server.store': ['../shop/plugins/store.ts', "  app.decorate('sessionStore'", "  app.decorate('bindings'"],
  'server.me': ['../shop/routes/me.ts', "  app.get('/me'", '  })'],
  'server.phone': ['../shop/routes/me.ts', "    if ('phoneCode' in body)", '    return await session.decrypt'],
  'server.orders': ['../shop/routes/orders.ts', "  app.get('/orders'", '  })'],
  'server.kick': ['trouble-routes.ts', "  app.post('/demo/trouble/kick'", '  })'],
  'sdk.create': ['browser/handsets.ts', '  const client = createWeappClient', '  const client = createWeappClient'],
  'sdk.login': ['browser/handsets.ts', 'export async function signIn', '}'],
  'sdk.phone': ['browser/handsets.ts', 'export async function phoneNumber', '}'],
  'sdk.me': ['browser/handsets.ts', 'export async function me', '}'],
  'sdk.burst': ['browser/stories.ts', '      const loadPage', '      const loadPages'],
  'sdk.logout': ['browser/actions.ts', '    await handset.client.logout', '    await handset.client.logout'],
  'sdk.session': ['browser/actions.ts', '    handset.devices = (await', '    handset.devices = (await'],
  'sdk.key': ['browser/main.ts', '    await handset.client.ensureSessionKey', '    await handset.client.ensureSessionKey']
} as const

export type SnippetName = keyof typeof SNIPPETS

export interface Snippet {
  /** Relative to the repository. */
  path: string
  code: string
}
