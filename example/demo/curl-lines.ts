/** Returns lines for bash or zsh. They sign in with a password, then with the code alone. */
export function curlLines (origin: string, wechatUrl: string): string[] {
  const json = "-H 'content-type: application/json'"
  const authorization = '-H "authorization: Bearer $TOKEN"'
  const account = String.raw`\"account\":{\"username\":\"alice\",\"password\":\"wonderland\"}`

  const code = `CODE=$(curl -s '${wechatUrl}/simulator/login?user=alice' | ${extract('code')})`
  const login = (fields: string) => (
    `TOKEN=$(curl -s '${origin}/weapp/login' ${json} -d "{${fields}}" | ${extract('token')})`
  )
  const get = (path: string) => String.raw`curl -sw '\n' '${origin}${path}' ${authorization}`

  return [
    code,
    login(String.raw`\"code\":\"$CODE\",${account}`),
    get('/me'),
    code,
    login(String.raw`\"code\":\"$CODE\"`),
    get('/orders')
  ]
}

/** Returns a sed command that prints a field of JSON text. Text without the field, such as an error, is unchanged. */
function extract (field: string): string {
  return String.raw`sed 's/.*"${field}":"\([^"]*\)".*/\1/'`
}
