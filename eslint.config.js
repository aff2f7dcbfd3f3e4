import neostandard from 'neostandard'

export default [
  ...neostandard({
    ts: true,
    noJsx: true,
    ignores: ['dist', 'miniprogram_dist', 'example/miniprogram/utils/weapp-client.js', '.tap', 'coverage']
  }),
  {
    files: ['example/miniprogram/**/*.js'],
    languageOptions: { sourceType: 'commonjs', globals: { wx: 'readonly', App: 'readonly', Page: 'readonly' } }
  }
]
