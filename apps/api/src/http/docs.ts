import { applyDecorators } from '@nestjs/common';
import { ApiBadRequestResponse, ApiServiceUnavailableResponse, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ErrorAnswer } from './dto.js';

/** The errors that every endpoint may answer. */
export const DescribeErrors = (): ClassDecorator & MethodDecorator =>
  applyDecorators(
    ApiBadRequestResponse({ type: ErrorAnswer, description: 'A parameter is wrong; the message says which and why' }),
    ApiServiceUnavailableResponse({ type: ErrorAnswer, description: 'PostgreSQL does not answer at the moment' }),
  );

/** The OpenAPI description at `/docs-json`, and a page to read and try it at `/docs`. */
export function serveDocs(app: NestFastifyApplication, version: string): void {
  const config = new DocumentBuilder()
    .setTitle('Vigil')
    .setDescription('Signals, alerts and requests of a self-hosted DeepSeek-R1.')
    .setVersion(version)
    .build();
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, config), {
    customSiteTitle: 'Vigil API',
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
  });
}
