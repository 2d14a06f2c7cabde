import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiError } from '../errors.js';
import { SERVICES, type Services } from './services.js';

@Controller('v1/models')
export class ModelsController {
  constructor(@Inject(SERVICES) private readonly services: Services) {}

  @Get()
  list() {
    return { object: 'list', data: [this.model()] };
  }

  // A model's name may hold slashes: deepseek-ai/DeepSeek-R1-Distill-Qwen-7B.
  @Get('*')
  one(@Param('*') id: string) {
    if (id !== this.services.model)
      throw new ApiError(404, 'model_not_found', `There is no model ${JSON.stringify(id.slice(0, 200))} here.`, {
        param: 'model',
      });
    return this.model();
  }

  private model() {
    const { model, created } = this.services;
    return { id: model, object: 'model', created, owned_by: 'vigil' };
  }
}
