import importX from 'eslint-plugin-import-x'
import neostandard from 'neostandard'

/** The folders of src, and what each may import of the others. Every file may import errors.ts. */
const IMPORTS = {
  client: [],
  crypto: ['stores', 'utils'],
  diagnostics: [],
  routes: ['crypto', 'diagnostics', 'sessions', 'stores', 'utils', 'wechat'],
  sessions: ['crypto', 'diagnostics', 'stores', 'utils', 'wechat'],
  stores: ['diagnostics', 'utils'],
  testing: ['stores', 'utils'],
  utils: [],
  wechat: ['diagnostics', 'utils']
}

/** Files at the root of src that a folder may import: shared types, and what the routes answer with. */
const ROOT_FILES = {
  routes: ['errors.ts', 'login.ts', 'guard.ts', 'options.ts', 'response-headers.ts'],
  sessions: ['errors.ts', 'response-headers.ts'],
  client: [],
  testing: []
}

const zones = Object.entries(IMPORTS).map(([folder, allowed]) => ({
  target: `./src/${folder}`,
  from: './src',
  except: [
    ...[folder, ...allowed].map((name) => `./${name}`),
    ...(ROOT_FILES[folder] ?? ['errors.ts']).map((name) => `./${name}`)
  ],
  message: `src/${folder} may import ${allowed.length === 0 ? 'no other folder' : allowed.join(', ')}.`
}))

export default [
  ...neostandard({
    ts: true,
    noJsx: true,
    ignores: ['dist', 'miniprogram_dist', 'example/miniprogram/utils/weapp-client.js', '.tap', 'coverage']
  }),
  {
    files: ['src/**/*.ts'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.js'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [importX.createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } })]
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-restricted-paths': ['error', { zones }]
    }
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', {
        selector: "CallExpression[callee.object.name='t'][callee.property.name=/^(same|notSame)$/]",
        message: 'Compare strictly, with t.strictSame. The loose form takes 1 for "1".'
      }, {
        selector: "ImportDeclaration[source.value='tap'] > ImportDefaultSpecifier[local.name='t']",
        message: "Import { test } from 'tap'."
      }]
    }
  },
  {
    files: ['example/miniprogram/**/*.js'],
    languageOptions: { sourceType: 'commonjs', globals: { wx: 'readonly', App: 'readonly', Page: 'readonly' } }
  }
]
