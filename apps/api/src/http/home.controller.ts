import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ALERT_STATES } from '@vigil/rules';
import { API_CONTEXT, type ApiContext } from './context.js';

const ENDPOINTS = [
  ['/docs', 'Documentation of the API, to read and to try'],
  ['/api/v1/alerts', 'Alerts as they stand'],
  ['/api/v1/alerts/history', 'What happened, and who was told'],
  ['/api/v1/rules', 'The alert rules'],
  ['/api/v1/silences', 'What nobody is told of for a while'],
  ['/api/v1/notifications?status=dead', 'Messages that nobody got'],
  ['/api/v1/signals', 'Everything that is measured'],
  ['/api/v1/series?signal=request.rate&by=model', 'One signal over the last hour'],
  ['/api/v1/requests', 'The latest requests'],
  ['/health/ready', 'Health'],
  ['/metrics', 'Metrics for Prometheus'],
] as const;

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1f2937}
h1{font-size:1.4rem}td{padding:.15rem 1rem .15rem 0;vertical-align:top}a{color:#1d4ed8}
@media(prefers-color-scheme:dark){body{background:#111827;color:#e5e7eb}a{color:#93c5fd}}`;

/** The place of the console: until it is there, a page that says what runs here and where to go. */
@ApiExcludeController()
@Controller()
export class HomeController {
  constructor(@Inject(API_CONTEXT) private readonly context: ApiContext) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  async home(): Promise<string> {
    const rows = ENDPOINTS.map(
      ([path, what]) =>
        `<tr><td><a href="${path.replaceAll('&', '&amp;')}">${path.split('?')[0]}</a></td><td>${what}</td></tr>`,
    );
    return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vigil</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head>
<body><h1>Vigil watches your DeepSeek-R1</h1><p>${await this.alerts()}</p><table>${rows.join('')}</table></body></html>`;
  }

  private async alerts(): Promise<string> {
    try {
      const rows = (await this.context.store.query(
        'SELECT state, count(*)::int AS n FROM alert WHERE scope = $1 GROUP BY state',
        [this.context.scope],
      )) as { state: string; n: number }[];
      const words = ALERT_STATES.flatMap((state) =>
        rows.filter((row) => row.state === state).map(({ n }) => `${n} ${state.replace('_', ' ')}`),
      );
      return words.length > 0 ? `Alerts: ${words.join(', ')}.` : 'Nothing that a rule watches has been measured yet.';
    } catch {
      return 'PostgreSQL does not answer at the moment.';
    }
  }
}
