/** Validates URLs: the token goes to URLs below `baseUrl` only. */
import { clientError } from './errors.js'

/**
 * Matches a path with a control character or a dot segment: '.' or '..' between slashes. URL parsers treat a backslash
 * as a slash, and strip control characters and trailing spaces. Some proxies decode %2F and %5C before they resolve the
 * path.
 */
const UNSAFE_PATH = /^[^?#]*((\/|\\|%2f|%5c)(\.|%2e){1,2}(\/|\\|%2f|%5c|[?#]|\s*$)|[^ -\uffff])/i

/**
 * Returns the base URL without trailing slashes.
 *
 * @throws WEAPP_BAD_URL
 */
export function parseBaseUrl (url: string): string {
  if (!/^https?:\/\/(?!api\.weixin\.qq\.com\b)[^/]/.test(url)) {
    throw clientError('WEAPP_BAD_URL', 'The baseUrl is invalid. Use one of your own server.')
  }
  return url.replace(/\/+$/, '')
}

/**
 * Returns the whole URL of a path, or of a URL that is already below the base URL.
 *
 * @throws WEAPP_BAD_URL
 */
export function urlBelow (baseUrl: string, url: string): string {
  const text = String(url)
  const path = text.startsWith(`${baseUrl}/`) ? text.slice(baseUrl.length) : text
  // Without the leading slash the text could continue the host name of baseUrl.
  if (path[0] !== '/' || UNSAFE_PATH.test(path)) {
    throw clientError('WEAPP_BAD_URL', 'The url is invalid. Use one below baseUrl, without dot segments.')
  }
  return baseUrl + path
}
